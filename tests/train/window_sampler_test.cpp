#include "train/window_sampler.h"

#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "dstorch/error.h"

namespace dstorch::training {
namespace {

std::vector<int32_t> counting(int32_t count) {
  std::vector<int32_t> ids(static_cast<std::size_t>(count));
  std::iota(ids.begin(), ids.end(), 0);
  return ids;
}

TEST(WindowSampler, TargetsAreTheNextTokens) {
  const auto ids = counting(1000);
  WindowSampler sampler(ids, 4, 16, 1);
  const auto batch = sampler.batch(3);
  EXPECT_EQ(batch.inputs.sizes(), at::IntArrayRef({4, 16}));
  EXPECT_TRUE(at::equal(batch.targets, batch.inputs + 1));
}

TEST(WindowSampler, AnEpochVisitsEveryWindowOnceAndTheNextOneInAnotherOrder) {
  const auto ids = counting(1000);
  WindowSampler sampler(ids, 1, 16, 5);
  const auto windows = sampler.windows_per_epoch();
  EXPECT_EQ(windows, 61);
  std::vector<std::vector<int64_t>> begins(2);
  for (int64_t step = 0; step < 2 * windows; ++step) {
    begins[static_cast<std::size_t>(step / windows)].push_back(sampler.batch(step).inputs[0][0].item<int64_t>());
  }
  for (const auto& epoch : begins) {
    const std::set<int64_t> distinct(epoch.begin(), epoch.end());
    ASSERT_EQ(distinct.size(), static_cast<std::size_t>(windows));
    EXPECT_LT(*distinct.begin(), 16);
    EXPECT_EQ(*distinct.rbegin() - *distinct.begin(), (windows - 1) * 16);
    EXPECT_LT(*distinct.rbegin() + 16, 1000);
    EXPECT_FALSE(std::is_sorted(epoch.begin(), epoch.end()));
  }
  EXPECT_NE(begins[0], begins[1]);
}

TEST(WindowSampler, EverySeedHasAnOrderOfItsOwn) {
  const auto ids = counting(1000);
  std::set<std::vector<int64_t>> orders;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    WindowSampler sampler(ids, 1, 16, seed);
    std::vector<int64_t> begins;
    for (int64_t step = 0; step < sampler.windows_per_epoch(); ++step) {
      begins.push_back(sampler.batch(step).inputs[0][0].item<int64_t>() / 16);  // whatever the epoch's offset
    }
    orders.insert(begins);
  }
  EXPECT_EQ(orders.size(), 20U);
}

TEST(WindowSampler, AStepDependsOnTheSeedAndTheStepAlone) {
  const auto ids = counting(500);
  WindowSampler all(ids, 3, 8, 42);
  std::vector<at::Tensor> batches;
  for (int64_t step = 0; step < 60; ++step) {
    batches.push_back(all.batch(step).inputs);
  }
  WindowSampler fresh(ids, 3, 8, 42);
  EXPECT_TRUE(at::equal(fresh.batch(41).inputs, batches[41]));
  EXPECT_TRUE(at::equal(fresh.batch(2).inputs, batches[2]));
  WindowSampler other(ids, 3, 8, 43);
  EXPECT_FALSE(at::equal(other.batch(2).inputs, batches[2]));
}

TEST(WindowSampler, TheSmallestTextThatWillDo) {
  const auto ids = counting(9);
  WindowSampler sampler(ids, 2, 8, 0);
  EXPECT_EQ(sampler.windows_per_epoch(), 1);
  EXPECT_EQ(sampler.batch(7).inputs[1][0].item<int64_t>(), 0);
  const auto short_ids = counting(8);
  try {
    WindowSampler(short_ids, 2, 8, 0);
    FAIL();
  } catch (const LMError& e) {
    EXPECT_EQ(e.kind(), ErrorKind::invalid_argument);
    EXPECT_NE(std::string(e.what()).find("it has 8"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace dstorch::training
