#include "train/text_data.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace dstorch::training {
namespace {

namespace fs = std::filesystem;

/// Bytes as tokens, so that ids read as text; id 0 is the end of text.
std::shared_ptr<const Tokenizer> byte_tokenizer(bool with_end = true) {
  BpeTrainerOptions options;
  options.special_tokens.clear();
  if (with_end) {
    options.special_tokens = {"<|endoftext|>"};
  }
  options.vocab_size = 256 + static_cast<int64_t>(options.special_tokens.size());
  return Tokenizer::from_json(train_bpe_tokenizer(std::vector<std::string_view>{""}, options));
}

/// The stream as text, `$` for the end of text.
std::string spelled(const Tokenizer& tokenizer, const TokenStream& stream) {
  std::string text;
  const auto end = tokenizer.token_to_id(kEndOfText);
  for (const auto id : stream.ids) {
    text += id == end ? "$" : tokenizer.decode(std::vector<int64_t>{id}, false);
  }
  return text;
}

class TextDataTest : public testing::Test {
 protected:
  TextDataTest() {
    folder_ = fs::temp_directory_path() / ("dstorch_text_data_test_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  ~TextDataTest() override { fs::remove_all(folder_); }

  [[nodiscard]] fs::path write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }

  fs::path folder_;
  std::shared_ptr<const Tokenizer> tokenizer_ = byte_tokenizer();
};

TEST_F(TextDataTest, OnlyAWholeLineEndsADocument) {
  TokenStream stream;
  append_tokens(*tokenizer_, "a\n<|endoftext|>\nb<|endoftext|>\n <|endoftext|>\r\n<|endoftext|>\r\nc\n<|endoftext|>",
                stream);
  EXPECT_EQ(spelled(*tokenizer_, stream), "a\n$b<|endoftext|>\n <|endoftext|>\r\n$c\n$");
  EXPECT_EQ(stream.bytes, 2 + 15 + 16 + 2);
}

TEST_F(TextDataTest, WithoutTheTokenTheLineIsText) {
  const auto plain = byte_tokenizer(false);
  TokenStream stream;
  append_tokens(*plain, "a\n<|endoftext|>\nb", stream);
  EXPECT_EQ(spelled(*plain, stream), "a\n<|endoftext|>\nb");
  EXPECT_EQ(stream.bytes, 17);
}

TEST_F(TextDataTest, TheEndIsHeldOutFromALineOn) {
  const auto data = load_text_data({write("a", "one\ntwo\n"), write("b", "three\nfour\nfive\n")}, {}, 0.4, *tokenizer_);
  EXPECT_EQ(spelled(*tokenizer_, data.train), "one\ntwo\n$three\n");
  EXPECT_EQ(spelled(*tokenizer_, data.held_out), "four\nfive\n$");
  EXPECT_EQ(data.train.bytes, 14);
  EXPECT_EQ(data.held_out.bytes, 10);
}

TEST_F(TextDataTest, NothingHeldOutOrAFileOfItsOwn) {
  const auto a = write("a", "one\n<|endoftext|>\n");
  EXPECT_EQ(spelled(*tokenizer_, load_text_data({a}, {}, 0, *tokenizer_).train), "one\n$");
  const auto data = load_text_data({a}, write("h", "held"), 0.5, *tokenizer_);
  EXPECT_EQ(spelled(*tokenizer_, data.train), "one\n$");
  EXPECT_EQ(spelled(*tokenizer_, data.held_out), "held$");
}

}  // namespace
}  // namespace dstorch::training
