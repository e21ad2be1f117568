#include "dstorch/tokenizer.h"

#include <gtest/gtest.h>

#include <thread>

#include "core/json.h"
#include "dstorch/error.h"
#include "text/byte_level.h"

namespace dstorch {
namespace {

// All bytes, a few merges, one special token.
Json byte_level_tokenizer() {
  Json vocab = Json::object();
  for (int byte = 0; byte < 256; ++byte) {
    std::string token;
    text::append_byte_level(std::string(1, static_cast<char>(byte)), token);
    vocab[token] = byte;
  }
  vocab["he"] = 256;
  vocab["ll"] = 257;
  vocab["hell"] = 258;
  vocab["hello"] = 259;
  return {{"added_tokens", {{{"id", 260}, {"content", "<|end|>"}, {"special", true}, {"normalized", false}}}},
          {"normalizer", nullptr},
          {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}},
          {"post_processor", {{"type", "ByteLevel"}}},
          {"decoder", {{"type", "ByteLevel"}}},
          {"model",
           {{"type", "BPE"}, {"vocab", vocab}, {"merges", {"h e", "l l", "he ll", "hell o"}}, {"unk_token", nullptr}}}};
}

std::string decoded_piecewise(const std::shared_ptr<const Tokenizer>& tokenizer, const std::vector<int64_t>& ids) {
  StreamDecoder stream(tokenizer, false);
  std::string text;
  for (const int64_t id : ids) {
    text += stream.push(id);
  }
  return text + stream.finish();
}

TEST(Tokenizer, MergesByRankWithinWords) {
  const auto tokenizer = Tokenizer::from_json(byte_level_tokenizer().dump());
  EXPECT_EQ(tokenizer->encode("hello hell"), (std::vector<int64_t>{259, ' ', 258}));
  EXPECT_EQ(tokenizer->encode(""), std::vector<int64_t>{});
  EXPECT_EQ(tokenizer->vocab_size(), 261);
  EXPECT_EQ(tokenizer->token_to_id("hello"), 259);
  EXPECT_EQ(tokenizer->token_to_id("<|end|>"), 260);
  EXPECT_EQ(tokenizer->token_to_id("absent"), std::nullopt);
  EXPECT_EQ(tokenizer->id_to_token(259), "hello");
  EXPECT_EQ(tokenizer->id_to_token(-1), "");
  EXPECT_EQ(tokenizer->id_to_token(1000), "");
}

TEST(Tokenizer, SpecialTokensAreFoundOrPlainText) {
  const auto tokenizer = Tokenizer::from_json(byte_level_tokenizer().dump());
  EXPECT_EQ(tokenizer->encode("hello<|end|>"), (std::vector<int64_t>{259, 260}));
  const auto plain = tokenizer->encode("hello<|end|>", {.parse_special_tokens = false});
  EXPECT_EQ(plain.size(), 8U);
  EXPECT_EQ(plain[1], '<');
  EXPECT_TRUE(tokenizer->is_special(260));
  EXPECT_FALSE(tokenizer->is_special(259));
  EXPECT_EQ(tokenizer->decode(std::vector<int64_t>{259, 260}), "hello");
  EXPECT_EQ(tokenizer->decode(std::vector<int64_t>{259, 260}, false), "hello<|end|>");
}

TEST(Tokenizer, StreamsWholeCharacters) {
  const auto tokenizer = Tokenizer::from_json(byte_level_tokenizer().dump());
  const auto ids = tokenizer->encode("h\u00E9\U0001F600");
  StreamDecoder stream(tokenizer);
  std::vector<std::string> pieces;
  for (const int64_t id : ids) {
    pieces.push_back(stream.push(id));
  }
  EXPECT_EQ(pieces, (std::vector<std::string>{"h", "", "\u00E9", "", "", "", "\U0001F600"}));
  EXPECT_EQ(stream.finish(), "");
  stream.push(0xF0);
  EXPECT_EQ(stream.finish(), "\uFFFD");
  EXPECT_EQ(stream.push('h'), "h");
  EXPECT_EQ(decoded_piecewise(tokenizer, ids), tokenizer->decode(ids));
}

/// A tokenizer from outside the library, which knows nothing of streaming.
class ForeignTokenizer : public Tokenizer {
 public:
  explicit ForeignTokenizer(std::shared_ptr<const Tokenizer> inner) : inner_(std::move(inner)) {}
  [[nodiscard]] std::vector<int64_t> encode(std::string_view text, const EncodeOptions& options) const override {
    return inner_->encode(text, options);
  }
  [[nodiscard]] std::string decode(std::span<const int64_t> ids, bool skip_special_tokens) const override {
    return inner_->decode(ids, skip_special_tokens);
  }
  [[nodiscard]] int64_t vocab_size() const override { return inner_->vocab_size(); }
  [[nodiscard]] std::optional<int64_t> token_to_id(std::string_view token) const override {
    return inner_->token_to_id(token);
  }
  [[nodiscard]] std::string id_to_token(int64_t id) const override { return inner_->id_to_token(id); }
  [[nodiscard]] bool is_special(int64_t id) const override { return inner_->is_special(id); }

 private:
  std::shared_ptr<const Tokenizer> inner_;
};

TEST(Tokenizer, StreamsWholeCharactersOfATokenizerFromElsewhere) {
  const auto tokenizer = Tokenizer::from_json(byte_level_tokenizer().dump());
  const auto foreign = std::make_shared<ForeignTokenizer>(tokenizer);
  for (const bool skip : {false, true}) {
    StreamDecoder ours(tokenizer, skip);
    StreamDecoder theirs(foreign, skip);
    for (const std::string_view text : {"hello h\u00E9\U0001F600<|end|>", "", "\uFFFDx"}) {
      for (const int64_t id : tokenizer->encode(text)) {
        const auto piece = ours.push(id);
        // A real U+FFFD looks like an unfinished character until something follows it.
        if (text.find("\uFFFD") == std::string_view::npos) {
          EXPECT_EQ(theirs.push(id), piece);
        } else {
          theirs.push(id);
        }
      }
      ours.push(0xF0);
      EXPECT_EQ(theirs.push(0xF0), "");
      EXPECT_TRUE(theirs.finish().ends_with(ours.finish()));
    }
  }
  EXPECT_EQ(decoded_piecewise(foreign, {0xE2, 0x82, 'z', 0xF0}), "\uFFFDz\uFFFD");
}

/// One that takes the space before a comma away, as clean-up of the decoded text does: what follows changes what was
/// there.
class TidyTokenizer final : public ForeignTokenizer {
 public:
  using ForeignTokenizer::ForeignTokenizer;
  [[nodiscard]] std::string decode(std::span<const int64_t> ids, bool skip_special_tokens) const override {
    auto text = ForeignTokenizer::decode(ids, skip_special_tokens);
    for (auto at = text.find(" ,"); at != std::string::npos; at = text.find(" ,")) {
      text.erase(at, 1);
    }
    return text;
  }
};

TEST(Tokenizer, WhatWasShownOfATokenizerFromElsewhereIsNotTakenBack) {
  StreamDecoder stream(std::make_shared<TidyTokenizer>(Tokenizer::from_json(byte_level_tokenizer().dump())), false);
  std::string text;
  for (const char c : std::string_view("a b")) {
    text += stream.push(c);
  }
  EXPECT_EQ(text, "a b");
  EXPECT_EQ(stream.push(' '), " ");
  // "a b ," becomes "a b,": the space is shown already, and nothing fits behind it any more.
  for (const char c : std::string_view(",cde")) {
    EXPECT_EQ(stream.push(c), "") << c;
  }
  EXPECT_EQ(stream.finish(), "");
  EXPECT_EQ(stream.push('f'), "f") << "and it starts anew";
}

/// A character of which the vocabulary has some bytes alone is unknown as a whole.
TEST(Tokenizer, FallsBackToBytesForWholeCharactersOnly) {
  const Json model{{"type", "BPE"},
                   {"byte_fallback", true},
                   {"unk_token", "<unk>"},
                   {"vocab", {{"<unk>", 0}, {"a", 1}, {"<0xC3>", 2}, {"<0xA9>", 3}}},
                   {"merges", Json::array()}};
  const auto tokenizer = Tokenizer::from_json(Json{{"model", model}}.dump());
  EXPECT_EQ(tokenizer->encode("a\u00E9a"), (std::vector<int64_t>{1, 2, 3, 1}));
  EXPECT_EQ(tokenizer->encode("a\u00E8a"), (std::vector<int64_t>{1, 0, 1})) << "C3 A8";
}

TEST(Tokenizer, InvalidUtf8BecomesReplacements) {
  const auto tokenizer = Tokenizer::from_json(byte_level_tokenizer().dump());
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("a\xFF\xE2\x82z")), "a\uFFFD\uFFFDz");
}

TEST(Tokenizer, RefusesIdsOutsideTheVocabulary) {
  const auto tokenizer = Tokenizer::from_json(byte_level_tokenizer().dump());
  for (const int64_t id : {int64_t{-1}, int64_t{261}, int64_t{1} << 40}) {
    try {
      (void)tokenizer->decode(std::vector<int64_t>{id});
      FAIL() << id;
    } catch (const LMError& e) {
      EXPECT_EQ(e.kind(), ErrorKind::invalid_argument);
      EXPECT_NE(std::string(e.what()).find("[0, 261)"), std::string::npos);
    }
  }
}

TEST(Tokenizer, ThreadsGetWhatOneWouldGet) {
  const auto tokenizer = Tokenizer::from_json(byte_level_tokenizer().dump());
  std::string text;
  for (int i = 0; i < 2000; ++i) {
    text += "hello " + std::to_string(i * 7919) + " hell\u00E9 ";
  }
  const auto expected = tokenizer->encode(text);
  std::vector<std::vector<int64_t>> results(8);
  std::vector<std::thread> threads;
  threads.reserve(results.size());
  for (auto& result : results) {
    threads.emplace_back([&] { result = tokenizer->encode(text); });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  for (const auto& result : results) {
    EXPECT_EQ(result, expected);
  }
}

}  // namespace
}  // namespace dstorch
