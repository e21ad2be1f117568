#include "dstorch/constraint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "dstorch/error.h"
#include "engine/answer_constraint.h"
#include "engine/companion.h"
#include "engine/sampler.h"

namespace dstorch::engine {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

/// Ids 0 to 255 are bytes; 256 is the end, and special.
class ByteTokenizer : public Tokenizer {
 public:
  [[nodiscard]] std::vector<int64_t> encode(std::string_view text, const EncodeOptions& /*options*/) const override {
    std::vector<int64_t> ids;
    for (const char c : text) {
      ids.push_back(static_cast<unsigned char>(c));
    }
    return ids;
  }
  [[nodiscard]] std::string decode(std::span<const int64_t> ids, bool /*skip*/) const override {
    std::string text;
    for (const auto id : ids) {
      text += id < 256 ? std::string(1, static_cast<char>(id)) : "";
    }
    return text;
  }
  [[nodiscard]] int64_t vocab_size() const override { return 257; }
  [[nodiscard]] std::optional<int64_t> token_to_id(std::string_view /*token*/) const override { return std::nullopt; }
  [[nodiscard]] std::string id_to_token(int64_t id) const override { return std::string(1, static_cast<char>(id)); }
  [[nodiscard]] bool is_special(int64_t id) const override { return id == 256; }
  [[nodiscard]] std::string token_bytes(int64_t id) const override {
    return id < 256 ? std::string(1, static_cast<char>(id)) : "";
  }
};

ConstraintStore store(int64_t vocab_size = 260) { return {std::make_shared<ByteTokenizer>(), {256}, vocab_size}; }

/// The ids whose logits a constraint leaves.
std::vector<int64_t> left(AnswerConstraint& constraint, std::vector<float> logits = std::vector<float>(260, 1.0F)) {
  constraint.apply(logits);
  std::vector<int64_t> ids;
  for (std::size_t id = 0; id < logits.size(); ++id) {
    if (logits[id] > kNever) {
      ids.push_back(static_cast<int64_t>(id));
    }
  }
  return ids;
}

TEST(AnswerConstraint, LeavesWhatMayComeAndTheEndOnceTheTextIsComplete) {
  auto constraints = store();
  const auto constraint = constraints.make(Constraint::regex("ab?"), 10, {256});
  EXPECT_EQ(left(*constraint), (std::vector<int64_t>{'a'}));
  EXPECT_FALSE(constraint->over());
  constraint->accept('a');
  EXPECT_EQ(left(*constraint), (std::vector<int64_t>{'b', 256}));
  EXPECT_FALSE(constraint->over());
  constraint->accept('b');
  EXPECT_TRUE(constraint->over());
}

TEST(AnswerConstraint, WithoutEndTokensAnAnswerEndsWhereItCannotGoOn) {
  auto constraints = store();
  const auto constraint = constraints.make(Constraint::regex("(abc)+"), 5, {});
  for (const char c : std::string("abc")) {
    EXPECT_FALSE(constraint->over());
    EXPECT_EQ(left(*constraint), (std::vector<int64_t>{c}));
    constraint->accept(c);
  }
  EXPECT_TRUE(constraint->over()) << "the next abc would need a sixth token";
}

TEST(AnswerConstraint, WinsOverLogitsThatLeaveNothing) {
  auto constraints = store();
  const auto constraint = constraints.make(Constraint::regex("[ab]"), 10, {256});
  std::vector<float> logits(260, 2.0F);
  logits['a'] = logits['b'] = kNever;
  EXPECT_EQ(left(*constraint, logits), (std::vector<int64_t>{'a', 'b'}));
  logits['b'] = -100;
  EXPECT_EQ(left(*constraint, logits), (std::vector<int64_t>{'b'}));
}

TEST(AnswerConstraint, TokensThatTheModelDoesNotHaveAreNotCountedOn) {
  auto all = store(260);
  EXPECT_EQ(all.tokens_needed(Constraint::regex("a~|zzz")), 2);
  auto few = store('z' + 1);  // without "~"
  EXPECT_EQ(few.tokens_needed(Constraint::regex("a~|zzz")), 3);
  EXPECT_THROW(few.make(Constraint::regex("~"), 10, {256}), LMError);
}

TEST(AnswerConstraint, NeedsATokenizer) {
  ConstraintStore none(nullptr, {}, 10);
  EXPECT_THROW(none.make(Constraint::regex("a"), 10, {256}), LMError);
}

TEST(Sampler, AppliesTheConstraintAfterEverythingElse) {
  auto constraints = store();
  GenerationOptions options{.temperature = 0, .repetition_penalty = 2, .logit_bias = {{'x', 50.0}, {'b', kNever}}};
  Sampler sampler(options, 1);
  sampler.constrain(constraints.make(Constraint::regex("[abc]d"), 10, {256}));
  std::vector<float> logits(260, 0);
  logits['b'] = 9;
  logits['c'] = 1;
  EXPECT_EQ(sampler.next(logits), 'c');
  std::vector<float> next(260, 0);
  EXPECT_EQ(sampler.next(next), 'd');
}

TEST(Sampler, AForcedTokenIsTakenWithItsLogprob) {
  Sampler sampler({.temperature = 0, .logprobs = 1}, 1);
  std::vector<float> logits{0, 5, 0};
  EXPECT_EQ(sampler.next(logits, 2), 2);
  ASSERT_TRUE(sampler.logprob());
  EXPECT_EQ(sampler.logprob()->token, 2);
  EXPECT_NEAR(sampler.logprob()->logprob, -std::log(2 + std::exp(5.0)), 1e-6);
}

TEST(Companion, DoesItsJobBesideAndIsWaitedFor) {
  Companion companion;
  int done = 0;
  for (int i = 0; i < 200; ++i) {
    const auto job = companion.start([&] { ++done; });
  }
  EXPECT_EQ(done, 200);
}

}  // namespace
}  // namespace dstorch::engine
