#include "ops/cpu/attention_plan.h"

#include <gtest/gtest.h>

namespace dstorch::ops::cpu {
namespace {

AttentionCall call_of(int64_t heads, int64_t kv_heads, int64_t dim) {
  AttentionCall call;
  call.heads = heads, call.kv_heads = kv_heads, call.head_dim = dim;
  return call;
}

TEST(AttentionPlan, KeepsScratchInBounds) {
  const auto call = call_of(32, 8, 128);
  const std::vector<AttentionSpan> whole(100, AttentionSpan{.count = 300});
  const auto count = AttentionPlan::spans_at_once(call, whole);
  EXPECT_GE(count, 2u);
  EXPECT_LE(count, 4u);  // 1.9 million floats each
  const std::vector<AttentionSpan> long_one(2, AttentionSpan{.count = 100000});
  EXPECT_EQ(AttentionPlan::spans_at_once(call, long_one), 1u);
  const int32_t page = 0;
  const std::vector<AttentionSpan> tokens(1000, AttentionSpan{.count = 1, .pages = &page});
  EXPECT_EQ(AttentionPlan::spans_at_once(call, tokens), 1000u);
}

/// Every row meets every tile once, whoever it falls to; and nobody gets much more than a share.
TEST(AttentionPlan, SharesTheTilesOut) {
  const std::vector<int32_t> pages(1000);
  const std::vector<AttentionSpan> spans = {{.first = 0, .count = 1, .position = 40000, .pages = pages.data()},
                                            {.first = 1, .count = 1, .position = 70, .pages = pages.data()},
                                            {.first = 2, .count = 70, .position = 100, .pages = pages.data()},
                                            {.first = 72, .count = 65}};
  const auto call = call_of(6, 2, 64);
  for (const int threads : {1, 2, 7}) {
    ThreadPool pool(threads);
    const ThreadPool::Use use(pool);
    const AttentionPlan plan(call, spans, 16, 6, false);
    EXPECT_EQ(plan.rows, 137);
    std::vector<std::vector<int>> met(137 * 2, std::vector<int>(1000));
    int64_t total = 0, longest = 0;
    for (const auto& job : plan.jobs) {
      longest = std::max(longest, job.rows() * job.tiles());
      total += job.rows() * job.tiles();
      EXPECT_EQ(job.merge >= 0, job.partials != nullptr);
      for (auto row = job.begin; row <= job.last; ++row) {
        for (auto tile = job.first_tile; tile <= job.last_tile; ++tile) {
          const auto& sequence = plan.sequences[static_cast<std::size_t>(job.sequence)];
          ++met[static_cast<std::size_t>((sequence.row + row) * 2 + job.kv_head)][static_cast<std::size_t>(tile)];
        }
      }
    }
    EXPECT_LE(longest, threads == 1 ? total : total / threads / 3);
    for (const auto& span : spans) {
      for (int64_t row = 0; row < span.count; ++row) {
        for (int64_t tile = 0; tile < 1000; ++tile) {
          for (int64_t kv_head = 0; kv_head < 2; ++kv_head) {
            const auto times =
                met[static_cast<std::size_t>((span.first + row) * 2 + kv_head)][static_cast<std::size_t>(tile)];
            ASSERT_LE(times, 1);
            ASSERT_TRUE(times == 1 || tile > (span.position + row) / kPagePositions) << row << " " << tile;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace dstorch::ops::cpu
