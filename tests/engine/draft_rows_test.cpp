// How many tokens are tried: what is learned of guesses and of steps, and what follows from it.
#include "engine/draft_rows.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "core/rng.h"
#include "engine/acceptance.h"
#include "engine/pace.h"

namespace dstorch::engine {
namespace {

using Counts = std::vector<int64_t>;

Draft draft(std::vector<double> chances, bool always = false) {
  Draft result;
  result.tokens.assign(chances.size(), 1);
  result.chances = std::move(chances);
  result.always = always;
  return result;
}

/// A machine that takes `first` for one row and `each` for every other.
StepCost cost_of(double each, double first = 1) {
  StepCost cost;
  Rng rng(1);
  for (int i = 0; i < 2000; ++i) {
    const auto rows = 1 + static_cast<int64_t>(rng.below(40));
    cost.learn(rows, first + each * static_cast<double>(rows - 1));
  }
  return cost;
}

TEST(StepCost, LearnsWhatRowsCost) {
  for (const double each : {0.01, 0.1, 0.5, 1.0}) {
    const auto cost = cost_of(each);
    for (const int64_t rows : {2, 4, 9, 16, 32}) {
      const double expected = 1 + each * static_cast<double>(rows - 1);
      EXPECT_NEAR(cost.of(rows) / cost.of(1), expected, 0.12 * expected) << each << ", " << rows;
    }
  }
}

// The machine does something else for a while: all steps take longer, and none of them more beside another.
TEST(StepCost, AMachineThatGotSlowerIsNoWiderStep) {
  auto cost = cost_of(0.1);
  const auto before = cost.of(8) / cost.of(1);
  for (int i = 0; i < 50; ++i) {
    cost.learn(1, 3);
    cost.learn(8, 3 * 1.7);
  }
  EXPECT_NEAR(cost.of(8) / cost.of(1), before, 0.15 * before);
}

TEST(StepCost, OneSlowStepIsForgotten) {
  auto cost = cost_of(0.02);
  cost.learn(8, 500);
  EXPECT_LT(cost.of(8) / cost.of(1), 1.35);
  for (int i = 0; i < 30; ++i) {
    cost.learn(8, 1.14);
    cost.learn(1, 1);
  }
  EXPECT_NEAR(cost.of(8) / cost.of(1), 1.14, 0.05);
}

TEST(StepCost, MoreRowsThanItKnowsCostInProportion) {
  const StepCost cost;
  EXPECT_DOUBLE_EQ(cost.of(192), 2 * cost.of(96));
  EXPECT_GT(cost.of(0), 0);
}

/// Steps of one row that take a second, of two rows that take `second`.
StepCost cost_in_seconds(double second) {
  StepCost cost;
  for (int i = 0; i < 60; ++i) {
    cost.learn(1, 1);
    cost.learn(2, second);
  }
  return cost;
}

TEST(Pace, AGuessPaysWhereItBringsMoreThanItsPassTakes) {
  const auto cost = cost_in_seconds(1.1);
  EXPECT_TRUE(Pace(1, cost, 0.1).gains(0.9, 1, 1.05)) << "1.9 tokens in 1.2 s";
  EXPECT_FALSE(Pace(1, cost, 0.1).gains(0.1, 1, 1.05)) << "1.1 tokens in 1.2 s";
  EXPECT_FALSE(Pace(1, cost, 1.0).gains(0.9, 1, 1.05)) << "1.9 tokens in 2.1 s";
  Pace pace(1, cost, 0.3);
  EXPECT_TRUE(pace.gains(0.9, 1, 1.05));
  EXPECT_FALSE(pace.gains(0.1, 1, 1)) << "another that is hardly likely slows it down again";
}

TEST(Pace, WhatAPassTakesIsGuessedUntilItIsKnown) {
  const auto cost = cost_in_seconds(1.1);
  EXPECT_TRUE(Pace(1, cost, 0).gains(0.9, 1, 1.05));
  EXPECT_FALSE(Pace(1, cost, 0).gains(0.3, 1, 1.05)) << "1.3 tokens in 1.35 s";
  EXPECT_FALSE(Pace(1, StepCost(), 0).gains(0.9, 1, 1.05)) << "no step was seen yet";
}

TEST(Acceptance, LearnsHowFarGuessesAreToBeTrusted) {
  const std::array<Acceptance::Class, 4> first{{{1, 4}, {2, 4}, {3, 4}, {3.5, 4}}};
  Acceptance acceptance(first);
  EXPECT_DOUBLE_EQ(acceptance.chance(), 9.5 / 16);
  Rng rng(2);
  for (int i = 0; i < 400; ++i) {
    acceptance.learn(0, rng.below(10) < 1);
    acceptance.learn(2, rng.below(10) < 8);
  }
  EXPECT_NEAR(acceptance.chance(0), 0.1, 0.15);
  EXPECT_NEAR(acceptance.chance(2), 0.8, 0.2);
  EXPECT_DOUBLE_EQ(acceptance.chance(3), 3.5 / 4) << "nothing was seen of these";
  for (int i = 0; i < 400; ++i) {
    acceptance.fade();
  }
  EXPECT_NEAR(acceptance.chance(2), 3.0 / 4, 1e-3) << "what was long ago is forgotten";
}

TEST(DraftRows, ACertainGuessIsTriedWhereRowsCostLittle) {
  const auto cheap = cost_of(0.05);
  EXPECT_EQ(share_draft_rows(std::vector{draft({0.9, 0.85, 0.8, 0.78})}, 1, 32, cheap), (Counts{4}));
  EXPECT_EQ(share_draft_rows(std::vector{draft({0.9, 0.85, 0.8, 0.78})}, 1, 2, cheap), (Counts{2}));
  EXPECT_EQ(share_draft_rows(std::vector{draft({0.02, 0.01})}, 1, 32, cheap), (Counts{0}));
  EXPECT_EQ(share_draft_rows(std::vector{draft({})}, 1, 32, cheap), (Counts{0}));
}

TEST(DraftRows, NothingIsTriedWhereEachRowCostsAsMuchAsAStep) {
  const auto dear = cost_of(1);
  EXPECT_EQ(share_draft_rows(std::vector{draft({0.9, 0.85, 0.8})}, 1, 32, dear), (Counts{0}));
}

// A step that grows by leaps: what comes after the leap is worth it only where all of it is likely.
TEST(DraftRows, ALeapIsTakenWhereWhatIsBehindItPays) {
  StepCost cost;
  for (int i = 0; i < 3000; ++i) {
    const int64_t rows = 1 + i % 20;
    cost.learn(rows, rows <= 4 ? 1 : 1.6);
  }
  const std::vector<double> likely(15, 0.9);
  EXPECT_EQ(share_draft_rows(std::vector{draft(likely)}, 1, 32, cost), (Counts{15}));
  std::vector<double> falling;
  for (int i = 1; i <= 15; ++i) {
    falling.push_back(std::pow(0.6, i));
  }
  const auto few = share_draft_rows(std::vector{draft(falling)}, 1, 32, cost).front();
  EXPECT_GE(few, 2);
  EXPECT_LE(few, 3);
}

TEST(DraftRows, TheLikeliestOfAllSequencesComeFirst) {
  const auto cheap = cost_of(0.05);
  const std::vector drafts{draft({0.9, 0.5, 0.4}), draft({}), draft({0.8, 0.7, 0.6})};
  EXPECT_EQ(share_draft_rows(drafts, 3, 3, cheap), (Counts{1, 0, 2}));
  EXPECT_EQ(share_draft_rows(drafts, 3, 0, cheap), (Counts{0, 0, 0}));
}

TEST(DraftRows, WhatIsWantedAlwaysSharesTheRowsEqually) {
  const auto dear = cost_of(1);
  const std::vector drafts{draft({0.1, 0.1, 0.1}, true), draft({0.9, 0.9}), draft({0.1, 0.1, 0.1}, true)};
  EXPECT_EQ(share_draft_rows(drafts, 3, 32, dear), (Counts{3, 0, 3}));
  EXPECT_EQ(share_draft_rows(drafts, 3, 3, dear), (Counts{2, 0, 1}));
}

}  // namespace
}  // namespace dstorch::engine
