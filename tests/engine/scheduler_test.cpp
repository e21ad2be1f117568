#include "engine/scheduler.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>

namespace dstorch::engine {
namespace {

/// A prompt of so many tokens, of which some have gone through; with all of them through it generates.
class Waiting : public Sequence {
 public:
  Waiting(int64_t prompt, int64_t done) : Sequence(std::vector<int64_t>(static_cast<std::size_t>(prompt)), 10'000) {
    advance(done);
    if (done >= prompt) {
      add(0);
    }
  }
  [[nodiscard]] Wants wants() const override { return Wants::last_logits; }
  [[nodiscard]] bool finished() const override { return false; }
  [[nodiscard]] bool cancelled() const noexcept override { return false; }
  void on_cancelled() override {}
  void on_error(std::exception_ptr) noexcept override {}
  void deliver() override {}
};

constexpr StepLimits kLimits{.prompt_rows = 256, .shared_prompt_rows = 128};

std::vector<int64_t> counts(const std::vector<std::pair<int64_t, int64_t>>& prompts) {
  std::vector<std::unique_ptr<Waiting>> sequences;
  std::vector<Sequence*> running;
  for (const auto& [prompt, done] : prompts) {
    sequences.push_back(std::make_unique<Waiting>(prompt, done));
    running.push_back(sequences.back().get());
  }
  std::map<Sequence*, int64_t> given;
  for (const auto& share : plan_step(running, kLimits)) {
    given[share.sequence] += share.count;
  }
  std::vector<int64_t> result;
  for (auto* sequence : running) {
    result.push_back(given[sequence]);
  }
  return result;
}

using Counts = std::vector<int64_t>;

TEST(PlanStep, APromptAloneHasAllRows) {
  EXPECT_EQ(counts({{1000, 0}}), (Counts{256}));
  EXPECT_EQ(counts({{1000, 900}}), (Counts{100}));
  EXPECT_EQ(counts({{7, 0}}), (Counts{7}));
}

TEST(PlanStep, EverySequenceThatGeneratesHasItsRow) { EXPECT_EQ(counts({{5, 5}, {9, 9}, {1, 1}}), (Counts{1, 1, 1})); }

// The bound: between two tokens of a sequence no more than 128 rows of prompts go through the model.
TEST(PlanStep, ALongPromptLeavesTheOthersTheirRows) {
  EXPECT_EQ(counts({{5, 5}, {4000, 0}, {9, 9}}), (Counts{1, 128, 1}));
  EXPECT_EQ(counts({{4000, 300}, {4000, 0}, {9, 9}}), (Counts{64, 64, 1}));
}

TEST(PlanStep, AShortPromptIsNotHeldUpByALongOneBeforeIt) {
  EXPECT_EQ(counts({{4000, 0}, {10, 0}}), (Counts{246, 10}));
  EXPECT_EQ(counts({{4000, 0}, {500, 0}, {500, 0}}), (Counts{128, 64, 64}));
  EXPECT_EQ(counts({{4000, 3990}, {500, 0}, {500, 0}}), (Counts{10, 182, 64})) << "what is left goes to the oldest";
}

TEST(PlanStep, ManyPromptsShareTheirRowsAndNoneStarves) {
  std::vector<std::pair<int64_t, int64_t>> prompts(60, {100, 0});
  const auto given = counts(prompts);
  int64_t sum = 0;
  for (const auto count : given) {
    EXPECT_GE(count, 1);
    sum += count;
  }
  EXPECT_EQ(sum, 256);
}

TEST(PlanWhole, TakesAllOfEverySequence) {
  Waiting first(7, 3), second(4, 4);
  std::vector<Sequence*> running{&first, &second};
  const auto step = plan_whole(running);
  ASSERT_EQ(step.size(), 2U);
  EXPECT_EQ(step[0].count, 7);
  EXPECT_EQ(step[1].count, 5);
}

}  // namespace
}  // namespace dstorch::engine
