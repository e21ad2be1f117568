#include "engine/text_output.h"

#include <gtest/gtest.h>

namespace dstorch::engine {
namespace {

/// Letters a to c, a space, and two special tokens.
std::shared_ptr<const Tokenizer> tokenizer() {
  return Tokenizer::from_json(R"({
    "added_tokens": [{"id": 4, "content": "<end>", "special": true}, {"id": 5, "content": "<b>", "special": true}],
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false},
    "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "\u0120": 3}, "merges": []}})");
}

struct Answer {
  std::string text;
  std::optional<std::string> stop;
  bool operator==(const Answer&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Answer& answer) {
  return out << '"' << answer.text << "\" " << answer.stop.value_or("goes on");
}

Answer answer_of(std::vector<std::string> stops, std::vector<int64_t> tokens, bool skip_special_tokens = true) {
  GenerationOptions options;
  options.stop_sequences = std::move(stops);
  options.skip_special_tokens = skip_special_tokens;
  TextOutput output(tokenizer(), options);
  std::string text;
  for (const auto token : tokens) {
    text += output.push(token);
  }
  text += output.finish();
  return {text, output.stop_sequence()};
}

TEST(TextOutput, StopsAtTextAcrossTokens) {
  EXPECT_EQ(answer_of({"bc"}, {0, 1, 2, 0}), (Answer{"a", "bc"}));
  EXPECT_EQ(answer_of({"bcb"}, {0, 1, 2, 0}), (Answer{"abca", std::nullopt}));
}

TEST(TextOutput, AStopStringMayBeOrHaveASpecialToken) {
  EXPECT_EQ(answer_of({"<end>"}, {0, 1, 4, 2}), (Answer{"ab", "<end>"}));
  EXPECT_EQ(answer_of({"b<end>c"}, {0, 1, 4, 2}), (Answer{"a", "b<end>c"}));
  EXPECT_EQ(answer_of({"<end><b>"}, {0, 4, 5, 2}), (Answer{"a", "<end><b>"}));
  EXPECT_EQ(answer_of({"<end>"}, {0, 1, 4, 2}, false), (Answer{"ab", "<end>"}));
}

/// What was held back for a stop string comes without the special tokens in it.
TEST(TextOutput, SpecialTokensStayOutOfTheText) {
  EXPECT_EQ(answer_of({"b<end>b"}, {0, 1, 4, 2, 1, 4}), (Answer{"abcb", std::nullopt}));
  EXPECT_EQ(answer_of({"b<end>b"}, {0, 1, 4, 2, 1, 4}, false), (Answer{"ab<end>cb<end>", std::nullopt}));
  EXPECT_EQ(answer_of({"<end>c"}, {4, 4, 0}), (Answer{"a", std::nullopt}));
}

/// A token that no stop string has in it parts nothing.
TEST(TextOutput, OtherSpecialTokensAreNotSeen) { EXPECT_EQ(answer_of({"bc"}, {0, 1, 5, 2}), (Answer{"a", "bc"})); }

TEST(TextOutput, WhatIsHeldBackComesAtTheEnd) {
  EXPECT_EQ(answer_of({"abc"}, {2, 0, 1}), (Answer{"cab", std::nullopt}));
}

}  // namespace
}  // namespace dstorch::engine
