#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "core/json.h"
#include "dstorch/error.h"
#include "dstorch/tokenizer.h"

namespace dstorch {
namespace {

std::string train_on(std::string_view text, const BpeTrainerOptions& options) {
  return train_bpe_tokenizer(std::vector<std::string_view>{text}, options);
}

std::vector<std::string> merges_of(const std::string& json) {
  return Json::parse(json)["model"]["merges"].get<std::vector<std::string>>();
}

BpeTrainerOptions with_merges(int64_t count) {
  BpeTrainerOptions options;
  options.vocab_size = 257 + count;
  options.min_frequency = 0;
  return options;
}

// What tokenizers 0.23's BpeTrainer learns from the same text: ByteLevel alphabet given, min_frequency 0.
TEST(BpeTrainer, LearnsTheMergesOfHuggingFace) {
  const auto json = train_on(
      "low low low low low lower lower newest newest newest newest newest newest widest widest "
      "widest aaaa aaaaaaa don't don't",
      with_merges(16));
  const std::vector<std::string> wanted = {"a a",     "e s",      "es t",  "l o",      "lo w",  "e w",
                                           "n ew",    "Ġ low",    "Ġ new", "Ġnew est", "d est", "i dest",
                                           "w idest", "Ġ widest", "aa aa", "' t"};
  EXPECT_EQ(merges_of(json), wanted);
}

TEST(BpeTrainer, EqualCountsGoToTheSmallestIds) {
  // "ab" and "cd" occur twice each: the pair with the smaller ids comes first, whatever the order of the text.
  EXPECT_EQ(merges_of(train_on("cd cd ab ab", with_merges(2))), (std::vector<std::string>{"a b", "c d"}));
}

TEST(BpeTrainer, EncodesWhatItLearnedAndRoundTrips) {
  const std::string text =
      "the cat sat on the mat\nthe naïve café — 日本語テキスト 😀👍🏽\r\n\tthe end";
  const auto tokenizer = Tokenizer::from_json(train_on(text, with_merges(60)));
  EXPECT_LE(tokenizer->vocab_size(), 257 + 60);
  EXPECT_EQ(tokenizer->token_to_id("<|endoftext|>"), 0);
  EXPECT_TRUE(tokenizer->is_special(0));
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
  EXPECT_EQ(tokenizer->encode("the").size(), 1U);
  EXPECT_EQ(tokenizer->encode(" the").size(), 1U);
  const std::string other = "Ünseen bytes \x01\x02 €";
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(other)), other);
}

TEST(BpeTrainer, PairsBelowTheMinimumAreLeft) {
  auto options = with_merges(50);
  options.min_frequency = 3;
  EXPECT_EQ(merges_of(train_on("xy xy xy pq pq", options)), (std::vector<std::string>{"x y"}));
}

TEST(BpeTrainer, SpecialTokensInTheTextTeachNothing) {
  std::string text;
  for (int i = 0; i < 50; ++i) {
    text += "ab<|endoftext|>ab<|pad|>";
  }
  auto options = with_merges(20);
  options.special_tokens = {"<|endoftext|>", "<|pad|>"};
  const auto json = train_on(text, options);
  EXPECT_EQ(merges_of(json), (std::vector<std::string>{"a b"}));
  const auto tokenizer = Tokenizer::from_json(json);
  EXPECT_EQ(tokenizer->token_to_id("<|pad|>"), 1);
  EXPECT_EQ(tokenizer->encode("<|pad|>").size(), 1U);
}

TEST(BpeTrainer, APatternOfOnesOwnCutsTheText) {
  auto options = with_merges(8);
  options.pattern = R"(\p{N}|[^\p{N}]+)";
  const auto json = train_on("a b1212a b1212a b", options);
  const auto tokenizer = Tokenizer::from_json(json);
  EXPECT_EQ(tokenizer->encode("a b").size(), 1U) << json;  // Across the space, as the pattern has it.
  EXPECT_EQ(tokenizer->encode("1212").size(), 4U);         // Never across digits.
}

TEST(BpeTrainer, NoTextLearnsNoMerges) {
  EXPECT_TRUE(merges_of(train_on("", with_merges(5))).empty());
  EXPECT_TRUE(merges_of(train_on("x", with_merges(5))).empty());
}

TEST(BpeTrainer, InvalidUtf8IsLearnedAsTheReplacementCharacter) {
  const auto json = train_on("a\xFF\xFE b\xC3", with_merges(5));
  EXPECT_FALSE(merges_of(json).empty());
  EXPECT_EQ(json, train_on("a\uFFFD\uFFFD b\uFFFD", with_merges(5)));
}

TEST(BpeTrainer, RefusesWhatMakesNoSense) {
  const auto kind_of = [](const BpeTrainerOptions& options) {
    try {
      train_on("text", options);
    } catch (const LMError& e) {
      return e.kind();
    }
    return ErrorKind::internal;
  };
  auto options = with_merges(-1);
  EXPECT_EQ(kind_of(options), ErrorKind::invalid_argument);
  options = with_merges(5);
  options.special_tokens = {"<s>", "<s>"};
  EXPECT_EQ(kind_of(options), ErrorKind::invalid_argument);
  options.special_tokens = {""};
  EXPECT_EQ(kind_of(options), ErrorKind::invalid_argument);
  options = with_merges(5);
  options.pattern = "(unclosed";
  EXPECT_EQ(kind_of(options), ErrorKind::format);
}

TEST(BpeTrainer, FilesInFileOut) {
  const auto folder = std::filesystem::temp_directory_path() / "dstorch_bpe_trainer_test";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "text.txt") << "ab ab ab";
  const std::vector<std::filesystem::path> files = {folder / "text.txt"};
  train_bpe_tokenizer(files, folder / "tokenizer.json", with_merges(1));
  EXPECT_EQ(Tokenizer::load(folder / "tokenizer.json")->encode("ab").size(), 1U);
  EXPECT_THROW(train_bpe_tokenizer(std::vector<std::filesystem::path>{folder / "missing"}, folder / "x.json", {}),
               LMError);
  EXPECT_THROW(train_bpe_tokenizer(files, folder / "no" / "such" / "x.json", {}), LMError);
  // Where it cannot go is said before the texts are read.
  try {
    train_bpe_tokenizer(std::vector<std::filesystem::path>{folder / "missing"}, folder, {});
    ADD_FAILURE();
  } catch (const LMError& e) {
    EXPECT_EQ(e.kind(), ErrorKind::invalid_argument) << e.what();
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace dstorch
