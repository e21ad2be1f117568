#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "dstorch/error.h"
#include "engine/check_options.h"

namespace dstorch::engine {
namespace {

constexpr int kDraws = 20000;

/// How often each token comes out of `kDraws` draws from the same logits.
std::map<int64_t, double> frequencies(const GenerationOptions& options, const std::vector<float>& logits) {
  std::map<int64_t, double> counts;
  for (int i = 0; i < kDraws; ++i) {
    Sampler sampler(options, static_cast<uint64_t>(i));
    auto copy = logits;
    counts[sampler.next(copy)] += 1.0 / kDraws;
  }
  return counts;
}

int64_t greedy(GenerationOptions options, std::vector<float> logits, std::vector<int64_t> prompt = {}) {
  options.temperature = 0;
  Sampler sampler(options, 0);
  sampler.add_prompt(prompt);
  return sampler.next(logits);
}

TEST(Sampler, TemperatureZeroTakesTheFirstOfTheLargest) { EXPECT_EQ(greedy({}, {1, 5, 5, 2}), 1); }

TEST(Sampler, DrawsFromTheSoftmax) {
  const std::vector<float> logits{0.0F, std::log(2.0F), std::log(5.0F)};
  const auto drawn = frequencies({}, logits);
  EXPECT_NEAR(drawn.at(0), 1.0 / 8, 0.01);
  EXPECT_NEAR(drawn.at(1), 2.0 / 8, 0.012);
  EXPECT_NEAR(drawn.at(2), 5.0 / 8, 0.012);
}

TEST(Sampler, TemperatureSharpens) {
  const auto drawn = frequencies({.temperature = 0.5}, {0.0F, std::log(3.0F)});
  EXPECT_NEAR(drawn.at(1), 9.0 / 10, 0.01);
}

TEST(Sampler, TopKKeepsTheLikeliest) {
  const auto drawn = frequencies({.top_k = 2}, {3.0F, 1.0F, 3.0F, 2.9F});
  EXPECT_EQ(drawn.size(), 2U);
  EXPECT_TRUE(drawn.contains(0));
  EXPECT_TRUE(drawn.contains(2));
}

TEST(Sampler, TopPKeepsTheSmallestSetThatReachesIt) {
  // Probabilities 0.5, 0.25, 0.15, 0.1.
  const std::vector<float> logits{std::log(0.5F), std::log(0.25F), std::log(0.15F), std::log(0.1F)};
  EXPECT_EQ(frequencies({.top_p = 0.5}, logits).size(), 1U);
  EXPECT_EQ(frequencies({.top_p = 0.6}, logits).size(), 2U);
  EXPECT_EQ(frequencies({.top_p = 0.8}, logits).size(), 3U);
  EXPECT_NEAR(frequencies({.top_p = 0.6}, logits).at(0), 2.0 / 3, 0.012);
  EXPECT_EQ(frequencies({.top_p = 0.5}, {1.0F, 1.0F}).size(), 1U) << "reached exactly";
}

TEST(Sampler, TopPIsOfWhatTopKLeaves) {
  // 0.4, 0.3 and 0.2 are left, 4/9, 3/9 and 2/9 of their sum.
  const std::vector<float> logits{std::log(0.4F), std::log(0.3F), std::log(0.2F), std::log(0.1F)};
  EXPECT_EQ(frequencies({.top_k = 3, .top_p = 0.7}, logits).size(), 2U);
}

TEST(Sampler, MinPIsRelativeToTheLikeliest) {
  const std::vector<float> logits{std::log(0.5F), std::log(0.26F), std::log(0.24F)};
  EXPECT_EQ(frequencies({.min_p = 0.5}, logits).size(), 2U);
}

TEST(Sampler, RepetitionPenaltyDividesPositiveAndMultipliesNegativeLogits) {
  EXPECT_EQ(greedy({.repetition_penalty = 2.0}, {4.0F, 3.0F}, {0}), 1);
  EXPECT_EQ(greedy({.repetition_penalty = 2.0}, {-1.0F, -1.5F}, {0}), 1);
  EXPECT_EQ(greedy({.repetition_penalty = 1.2}, {4.0F, 3.0F}, {0}), 0);
}

TEST(Sampler, RepetitionPenaltyComesOnceForPromptAndAnswerTogether) {
  Sampler sampler({.temperature = 0, .repetition_penalty = 2.0}, 0);
  const std::vector<int64_t> prompt{0, 0};
  sampler.add_prompt(prompt);
  std::vector<int64_t> tokens;
  for (int i = 0; i < 4; ++i) {
    std::vector<float> logits{4.0F, 1.5F, 3.0F};
    tokens.push_back(sampler.next(logits));
  }
  // Token 0 stands at 2.0 throughout; token 2 wins with 3.0, then stands at 1.5.
  EXPECT_EQ(tokens, (std::vector<int64_t>{2, 0, 0, 0}));
}

TEST(Sampler, FrequencyAndPresencePenaltiesCountTheAnswerOnly) {
  GenerationOptions options{.temperature = 0, .frequency_penalty = 0.4, .presence_penalty = 0.3};
  Sampler sampler(options, 0);
  const std::vector<int64_t> prompt{0, 0, 0, 0};
  sampler.add_prompt(prompt);
  const std::vector<float> logits{2.0F, 1.0F};
  std::vector<int64_t> tokens;
  for (int i = 0; i < 4; ++i) {
    auto copy = logits;
    tokens.push_back(sampler.next(copy));
  }
  // Token 0 stands at 2.0, 1.3, then 0.9: token 1 with 1.0 wins, falls to 0.3, and 0 wins again.
  EXPECT_EQ(tokens, (std::vector<int64_t>{0, 0, 1, 0}));
}

TEST(Sampler, LogitBiasForbidsAndFavours) {
  const double never = -std::numeric_limits<double>::infinity();
  EXPECT_EQ(greedy({.logit_bias = {{0, never}}}, {9.0F, 1.0F, 2.0F}), 2);
  EXPECT_EQ(greedy({.logit_bias = {{1, 10.0}}}, {9.0F, 1.0F, 2.0F}), 1);
  EXPECT_EQ(greedy({.logit_bias = {{0, -1.0}}}, {9.0F, 1.0F, 2.0F}), 0) << "it is added";
}

TEST(Sampler, ChangesNoLogitThatIsNotThere) {
  check_options({.logit_bias = {{3, 1.0}}}, 0);  // 0: a TorchScript archive, whose size shows with its first logits
  EXPECT_THROW(greedy({.logit_bias = {{3, 1.0}}}, {9.0F, 1.0F, 2.0F}), LMError);
  EXPECT_THROW(greedy({.repetition_penalty = 2.0}, {9.0F, 1.0F, 2.0F}, {3}), LMError);
}

TEST(Sampler, LogprobsAreOfTheModelsDistribution) {
  GenerationOptions options{.temperature = 0, .logit_bias = {{1, 10.0}}, .logprobs = 2};
  Sampler sampler(options, 0);
  std::vector<float> logits{std::log(0.7F), std::log(0.1F), std::log(0.2F)};
  EXPECT_EQ(sampler.next(logits), 1);
  const auto& record = sampler.logprob();
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->token, 1);
  EXPECT_NEAR(record->logprob, std::log(0.1), 1e-6);
  ASSERT_EQ(record->top.size(), 2U);
  EXPECT_EQ(record->top[0].first, 0);
  EXPECT_NEAR(record->top[0].second, std::log(0.7), 1e-6);
  EXPECT_EQ(record->top[1].first, 2);
}

TEST(Sampler, SameSeedSameToken) {
  const std::vector<float> logits(100, 0.0F);
  std::vector<int64_t> first;
  std::vector<int64_t> second;
  for (auto* tokens : {&first, &second}) {
    Sampler sampler({}, 7);
    for (int i = 0; i < 50; ++i) {
      auto copy = logits;
      tokens->push_back(sampler.next(copy));
    }
  }
  EXPECT_EQ(first, second);
}

TEST(Sampler, RefusesLogitsThatAreNotNumbers) {
  Sampler sampler({}, 0);
  std::vector<float> logits{0.0F, std::nanf(""), 1.0F};
  EXPECT_THROW(sampler.next(logits), LMError);
  std::vector<float> nothing(3, -std::numeric_limits<float>::infinity());
  EXPECT_THROW(sampler.next(nothing), LMError);
}

struct BadOption {
  const char* name;
  GenerationOptions options;
};

class BadOptions : public testing::TestWithParam<BadOption> {};

TEST_P(BadOptions, AreNamedInTheError) {
  try {
    check_options(GetParam().options, 100);
    FAIL() << "accepted a bad " << GetParam().name;
  } catch (const LMError& e) {
    EXPECT_EQ(e.kind(), ErrorKind::invalid_argument);
    EXPECT_NE(std::string(e.what()).find(GetParam().name), std::string::npos) << e.what();
  }
}

const double kNaN = std::nan("");
INSTANTIATE_TEST_SUITE_P(
    All, BadOptions,
    testing::Values(BadOption{"max_tokens", {.max_tokens = -1}}, BadOption{"temperature", {.temperature = -0.1}},
                    BadOption{"temperature", {.temperature = kNaN}}, BadOption{"top_k", {.top_k = -1}},
                    BadOption{"top_p", {.top_p = 0}}, BadOption{"top_p", {.top_p = 1.5}},
                    BadOption{"top_p", {.top_p = kNaN}}, BadOption{"min_p", {.min_p = 2}},
                    BadOption{"repetition_penalty", {.repetition_penalty = 0}},
                    BadOption{"frequency_penalty", {.frequency_penalty = 3}},
                    BadOption{"presence_penalty", {.presence_penalty = -3}}, BadOption{"logprobs", {.logprobs = 101}},
                    BadOption{"logit_bias", {.logit_bias = {{100, 1.0}}}},
                    BadOption{"logit_bias", {.logit_bias = {{1, kNaN}}}},
                    BadOption{"stop_sequences", {.stop_sequences = {""}}}));

}  // namespace
}  // namespace dstorch::engine
