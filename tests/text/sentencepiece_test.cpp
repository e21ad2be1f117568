// SentencePiece models against what SentencePiece itself makes of the same texts (tools/make_tokenizer_fixtures.py).
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "core/json.h"
#include "dstorch/error.h"
#include "support/paths.h"
#include "text/sentencepiece_tokenizer.h"
#include "text/test_files.h"
#include "text/utf8.h"

namespace dstorch::text {
namespace {

std::filesystem::path data() { return test::source_dir() / "tests/text/data"; }

class SentencePiece : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    cases_ = read_json(data() / (std::string(GetParam()) + ".sentencepiece.json"));
    model_ = from_base64(cases_["model"].get<std::string>());
    tokenizer_ = std::make_shared<SentencePieceTokenizer>(model_, TokenizerConfig{}, "tokenizer.model");
  }

  Json cases_;
  std::string model_;
  std::shared_ptr<const Tokenizer> tokenizer_;
};

TEST_P(SentencePiece, EncodesAndDecodesAsTheReference) {
  const auto texts = read_json(data() / "texts.json").get<std::vector<std::string>>();
  for (std::size_t i = 0; i < texts.size(); ++i) {
    std::string text;
    for (std::size_t at = 0; at + 1 < texts[i].size(); at += 2) {
      text.push_back(static_cast<char>(std::stoi(texts[i].substr(at, 2), nullptr, 16)));
    }
    SCOPED_TRACE(replace_invalid_utf8(text));
    auto ids = cases_["ids"][i].get<std::vector<int64_t>>();
    EXPECT_EQ(tokenizer_->encode(text, {.add_special_tokens = false, .parse_special_tokens = false}), ids);
    EXPECT_EQ(tokenizer_->decode(ids), cases_["decoded"][i].get<std::string>());
    const int64_t bos = cases_["bos"].get<int64_t>();
    if (bos >= 0) {
      ids.insert(ids.begin(), bos);
    }
    EXPECT_EQ(tokenizer_->encode(text, {.parse_special_tokens = false}), ids);
  }
}

TEST_P(SentencePiece, DecodesAnyIdsAtOnceOrOneByOne) {
  StreamDecoder stream(tokenizer_);  // starts anew after each finish()
  for (std::size_t i = 0; i < cases_["random_ids"].size(); ++i) {
    const auto ids = cases_["random_ids"][i].get<std::vector<int64_t>>();
    const auto expected = cases_["random_decoded"][i].get<std::string>();
    SCOPED_TRACE(cases_["random_ids"][i].dump());
    EXPECT_EQ(tokenizer_->decode(ids), expected);
    std::string text;
    for (const int64_t id : ids) {
      text += stream.push(id);
      EXPECT_TRUE(is_valid_utf8(text));
    }
    EXPECT_EQ(text + stream.finish(), expected);
  }
}

TEST_P(SentencePiece, EncodesLongTexts) {
  for (const Json& item : cases_["long"]) {
    std::string text;
    for (int64_t i = item["times"].get<int64_t>(); i > 0; --i) {
      text += item["unit"].get<std::string>();
    }
    uint32_t sum = 0;
    const auto ids = tokenizer_->encode(text, {.add_special_tokens = false});
    for (const int64_t id : ids) {
      sum = sum * 1000003U + static_cast<uint32_t>(id);
    }
    EXPECT_EQ(static_cast<int64_t>(ids.size()), item["count"].get<int64_t>());
    EXPECT_EQ(sum, item["checksum"].get<uint32_t>());
  }
}

TEST_P(SentencePiece, RefusesBrokenFiles) {
  for (std::size_t length = 0; length + 1 < model_.size(); length += model_.size() / 97 + 1) {
    // Cut between two fields it may still be whole; what is loaded must then work.
    try {
      const SentencePieceTokenizer cut(std::string_view(model_).substr(0, length), TokenizerConfig{}, "cut");
      EXPECT_FALSE(cut.encode("hello", EncodeOptions{}).empty());
    } catch (const LMError& e) {
      EXPECT_TRUE(e.kind() == ErrorKind::format || e.kind() == ErrorKind::unsupported);
    }
  }
  EXPECT_THROW(SentencePieceTokenizer("", TokenizerConfig{}, "empty"), LMError);
  EXPECT_THROW(SentencePieceTokenizer("no model at all", TokenizerConfig{}, "text"), LMError);
}

// A field of a protocol buffer that holds bytes.
std::string bytes_field(unsigned number, std::string_view content) {
  std::string out(1, static_cast<char>((number << 3U) | 2U));
  for (std::size_t length = content.size();; length >>= 7U) {
    const bool last = length < 128;
    out.push_back(static_cast<char>((length & 0x7FU) | (last ? 0U : 0x80U)));
    if (last) {
      return out + std::string(content);
    }
  }
}

// SentencePiece writes one U+FFFD for each byte that is part of no character, not one for all of them.
TEST(SentencePieceBytes, EachByteOfAnUnfinishedCharacterIsReplacedAlone) {
  constexpr const char* kByte = "\x18\x06";
  std::string model = bytes_field(1, bytes_field(1, "<unk>") + "\x18\x02");
  for (const char* byte : {"<0xE2>", "<0x82>", "<0xAC>"}) {
    model += bytes_field(1, bytes_field(1, byte) + kByte);
  }
  model += bytes_field(1, bytes_field(1, "z"));
  const SentencePieceTokenizer tokenizer(model, TokenizerConfig{}, "bytes");
  EXPECT_EQ(tokenizer.decode(std::vector<int64_t>{1, 2, 3, 4}, true), "\u20ACz");
  EXPECT_EQ(tokenizer.decode(std::vector<int64_t>{1, 2, 4}, true), "\uFFFD\uFFFDz");
  EXPECT_EQ(tokenizer.decode(std::vector<int64_t>{1, 2}, true), "\uFFFD\uFFFD");
  EXPECT_EQ(tokenizer.decode(std::vector<int64_t>{2, 1, 2, 3}, true), "\uFFFD\u20AC");
}

TEST(SentencePieceRules, RefusesATrieWithoutARoot) {
  const auto model_with_root = [](uint32_t root) {
    std::vector<uint32_t> units(256, 0);
    units[0] = root;
    const auto size = static_cast<uint32_t>(units.size() * sizeof(uint32_t));
    std::string rules(sizeof(size) + size + 1, '\0');
    std::memcpy(rules.data(), &size, sizeof(size));
    std::memcpy(rules.data() + sizeof(size), units.data(), size);
    // Pieces: an unknown one (type 2) and "a".
    return bytes_field(1, bytes_field(1, "<unk>") + "\x18\x02") + bytes_field(1, bytes_field(1, "a")) +
           bytes_field(3, bytes_field(2, rules));
  };
  const SentencePieceTokenizer empty(model_with_root(0), TokenizerConfig{}, "empty");
  EXPECT_EQ(empty.encode("a", EncodeOptions{}).back(), 1);
  // A root that is a value would send every lookup to an offset nothing has checked.
  try {
    const SentencePieceTokenizer tokenizer(model_with_root(0xFFFFFC00U), TokenizerConfig{}, "no root");
    FAIL() << "it was loaded";
  } catch (const LMError& e) {
    EXPECT_EQ(e.kind(), ErrorKind::format);
    EXPECT_NE(std::string_view(e.what()).find("has no root"), std::string_view::npos) << e.what();
  }
}

TEST(SentencePieceRules, MayNotMakeATextLongerAtWill) {
  const auto model_with_replacement = [](const std::string& replacement) {
    std::vector<uint32_t> units(256, 0);
    units['a'] = 'a' | 1U << 8U | 128U << 10U;  // a rule ends here; its value is 128 away
    units['a' ^ 128U] = 0x80000000U;            // the replacement at 0
    const auto size = static_cast<uint32_t>(units.size() * sizeof(uint32_t));
    std::string rules(sizeof(size) + size, '\0');
    std::memcpy(rules.data(), &size, sizeof(size));
    std::memcpy(rules.data() + sizeof(size), units.data(), size);
    return bytes_field(1, bytes_field(1, "<unk>") + "\x18\x02") + bytes_field(1, bytes_field(1, "b")) +
           bytes_field(3, bytes_field(2, rules + replacement + std::string(1, '\0')));
  };
  const SentencePieceTokenizer fine(model_with_replacement(std::string(50, 'b')), TokenizerConfig{}, "fine");
  EXPECT_GE(fine.encode(std::string(1000, 'a'), EncodeOptions{}).size(), 50'000U);
  const SentencePieceTokenizer hostile(model_with_replacement(std::string(5000, 'b')), TokenizerConfig{}, "hostile");
  try {
    (void)hostile.encode(std::string(1000, 'a'), EncodeOptions{});
    FAIL();
  } catch (const LMError& e) {
    EXPECT_EQ(e.kind(), ErrorKind::unsupported);
    EXPECT_NE(std::string_view(e.what()).find("more than 64 times longer"), std::string_view::npos) << e.what();
  }
}

INSTANTIATE_TEST_SUITE_P(Data, SentencePiece, testing::Values("llama2", "unigram", "rules"));

TEST(SentencePieceFiles, LoadsWithTheConfigBesideIt) {
  const auto directory = std::filesystem::path(testing::TempDir()) / "dstorch_sentencepiece";
  std::filesystem::create_directories(directory);
  const Json cases = read_json(data() / "llama2.sentencepiece.json");
  std::ofstream(directory / "tokenizer.model", std::ios::binary) << from_base64(cases["model"].get<std::string>());
  const auto plain = Tokenizer::load(directory);
  const auto bos = plain->token_to_id("<s>").value_or(-1);
  const auto eos = plain->token_to_id("</s>").value_or(-1);
  EXPECT_EQ(plain->encode("").front(), bos);
  EXPECT_EQ(plain->encode("</s>"), (std::vector<int64_t>{bos, eos}));
  EXPECT_TRUE(plain->is_special(eos));
  EXPECT_EQ(plain->decode(std::vector<int64_t>{bos, eos}), "");
  EXPECT_EQ(plain->decode(std::vector<int64_t>{bos, eos}, false), "<s></s>");

  const int64_t extra = plain->vocab_size();
  std::ofstream(directory / "tokenizer_config.json")
      << Json{{"add_bos_token", false},
              {"add_eos_token", true},
              {"eos_token", "</s>"},
              {"added_tokens_decoder", {{std::to_string(extra), {{"content", "<|tool|>"}, {"special", true}}}}}};
  const auto configured = Tokenizer::load(directory / "tokenizer.model");
  EXPECT_EQ(configured->encode("<|tool|>"), (std::vector<int64_t>{extra, eos}));
  EXPECT_EQ(configured->vocab_size(), extra + 1);
  EXPECT_EQ(configured->id_to_token(extra), "<|tool|>");
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace dstorch::text
