#include "core/rng.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

namespace dstorch {
namespace {

TEST(Rng, IsSplitMix64) {
  // The first outputs of the authors' splitmix64.c from state 1234567.
  Rng rng(1234567);
  EXPECT_EQ(rng.next(), 6457827717110365317ULL);
  EXPECT_EQ(rng.next(), 3203168211198807973ULL);
  EXPECT_EQ(rng.next(), 9817491932198370423ULL);
}

TEST(Rng, GoesOnFromItsState) {
  Rng rng(7);
  rng.next();
  Rng other(0);
  other.set_state(rng.state());
  EXPECT_EQ(other.next(), rng.next());
}

TEST(Rng, UniformFillsTheUnitInterval) {
  Rng rng(1);
  constexpr int kDraws = 200'000;
  std::array<int, 10> counts{};
  for (int i = 0; i < kDraws; ++i) {
    const auto value = rng.uniform();
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    ++counts.at(static_cast<std::size_t>(value * 10));
  }
  for (const auto count : counts) {
    EXPECT_NEAR(count, kDraws / 10, 5 * std::sqrt(kDraws / 10.0));
  }
}

TEST(Rng, BelowIsInRangeAndEven) {
  Rng rng(2);
  std::array<int, 7> counts{};
  for (int i = 0; i < 70'000; ++i) {
    ++counts.at(rng.below(7));
  }
  for (const auto count : counts) {
    EXPECT_NEAR(count, 10'000, 500);
  }
  EXPECT_EQ(rng.below(1), 0U);
}

}  // namespace
}  // namespace dstorch
