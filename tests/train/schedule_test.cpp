#include "train/schedule.h"

#include <gtest/gtest.h>

namespace dstorch::training {
namespace {

TEST(Schedule, RisesToThePeakThenFallsToTheMinimum) {
  const Schedule schedule{1.0, 0.1, 4, 20};
  EXPECT_DOUBLE_EQ(schedule.at(0), 0.25);
  EXPECT_DOUBLE_EQ(schedule.at(3), 1.0);
  EXPECT_DOUBLE_EQ(schedule.at(11), 0.55);  // Halfway down the cosine.
  EXPECT_DOUBLE_EQ(schedule.at(19), 0.1);
  EXPECT_DOUBLE_EQ(schedule.at(100), 0.1);
}

TEST(Schedule, WithoutWarmUp) {
  const Schedule schedule{1.0, 0.0, 0, 2};
  EXPECT_DOUBLE_EQ(schedule.at(0), 0.5);
  EXPECT_DOUBLE_EQ(schedule.at(1), 0.0);
}

TEST(Schedule, WarmUpLongerThanTheRun) {
  const Schedule schedule{1.0, 0.1, 10, 5};
  EXPECT_DOUBLE_EQ(schedule.at(4), 0.5);
}

}  // namespace
}  // namespace dstorch::training
