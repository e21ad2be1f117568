#include "device/memory_fit.h"

#include <gtest/gtest.h>

#include <functional>

namespace dstorch {
namespace {

using Total = std::function<int64_t(int64_t context)>;

const std::vector<std::pair<const char*, Total>> kTotals{
    {"a line", [](int64_t n) { return 1000 + 7 * n; }},
    {"attention", [](int64_t n) { return 5'000'000 + 900 * n + 3 * n * n; }},
    {"pages", [](int64_t n) { return 4096 + (n + 63) / 64 * 5000; }},
    {"flat, then steep", [](int64_t n) { return n < 900 ? 5000 : 5000 + (n - 900) * 100'000; }},
    {"flat", [](int64_t) { return int64_t{777}; }}};

int64_t largest_by_trying(const Total& total, int64_t most, int64_t available) {
  int64_t largest = 0;
  while (largest < most && total(largest + 1) <= available) {
    ++largest;
  }
  return largest;
}

TEST(MemoryFit, FindsTheLongestContextThatFits) {
  for (const auto& [name, total] : kTotals) {
    for (const int64_t most : {1, 2, 100, 2048}) {
      for (const int64_t available : {int64_t{1}, total(1) - 1, total(1), total(most / 3 + 1), total(most / 2 + 1) + 1,
                                      total(most) - 1, total(most), total(most) + 1}) {
        MemoryPlan plan;
        set_fit(plan, available, most, [&, total = total](int64_t context) {
          EXPECT_GE(context, 1);
          EXPECT_LE(context, most);
          MemoryPlan of;
          of.total = total(context);
          return of;
        });
        EXPECT_EQ(plan.available, available);
        EXPECT_EQ(plan.largest_context, largest_by_trying(total, most, available))
            << name << ", most " << most << ", available " << available;
      }
    }
  }
}

TEST(MemoryFit, AsksForFewPlans) {
  const auto total = [](int64_t n) { return 50'000 + 9 * n + n * n / 100; };
  for (const int64_t wanted : {300, 20'000, 70'000, 131'000}) {
    int asked = 0;
    MemoryPlan plan;
    set_fit(plan, total(wanted) + 5, 131'072, [&](int64_t context) {
      ++asked;
      MemoryPlan of;
      of.total = total(context);
      return of;
    });
    EXPECT_EQ(plan.largest_context, wanted);
    EXPECT_LE(asked, 8) << wanted;
  }
}

}  // namespace
}  // namespace dstorch
