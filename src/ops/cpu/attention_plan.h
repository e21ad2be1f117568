#pragma once

#include <cstddef>
#include <vector>

#include "ops/cpu/attention.h"
#include "ops/cpu/bf16_product.h"
#include "ops/cpu/thread_pool.h"

/// How a call's attention is divided among threads. None of it changes a result: whoever works on a row takes its tiles
/// in ascending order, or leaves their partial results to be merged in that order.
namespace dstorch::ops::cpu {

/// A span, and where what is made of it lies.
struct Sequence {
  const AttentionSpan* span = nullptr;
  int64_t row = 0;            // of its first row among the rows of all sequences
  float* own = nullptr;       // pages of its own, one behind the other, where the span has none
  int64_t own_page = 0;       // floats
  int64_t row_stride = 0;     // elements from one position to the next
  int64_t head_stride = 0;    // elements
  int64_t values_offset = 0;  // bytes
  bool rounds = false;        // queries are rounded to bfloat16, to meet keys of it or of q8

  /// The keys of a page of this call's layer.
  std::byte* page(const AttentionCall& call, int64_t index) const {
    return own != nullptr ? reinterpret_cast<std::byte*>(own + index * own_page)
                          : static_cast<std::byte*>(call.pages[span->pages[index]]) + call.layer_offset;
  }
};

/// What one thread does in one go: rows begin .. last of a sequence with one KV head and a run of tiles.
struct AttentionJob {
  int64_t sequence = 0;
  int64_t kv_head = 0;
  int64_t begin = 0;
  int64_t last = 0;
  int64_t first_tile = 0;
  int64_t last_tile = 0;
  int64_t merge = -1;         // which of the merges it is a part of, or none
  float* partials = nullptr;  // of a part: [tiles, rows, group] partial results
  int64_t rows() const { return last - begin + 1; }
  int64_t tiles() const { return last_tile - first_tile + 1; }
};

/// The first key that a position sees.
inline int64_t first_key(const AttentionCall& call, int64_t position) {
  return call.window > 0 && position >= call.window ? position - call.window + 1 : 0;
}

class AttentionPlan {
 public:
  /// For some spans of a call, which must outlive it. Vectors of `lanes` floats, `block_rows` rows worked on together;
  /// `rounds` where queries meet the keys of pages rounded.
  AttentionPlan(const AttentionCall& call, std::span<const AttentionSpan> spans, int64_t lanes, int64_t block_rows,
                bool rounds);
  ~AttentionPlan();
  AttentionPlan(const AttentionPlan&) = delete;
  AttentionPlan& operator=(const AttentionPlan&) = delete;

  /// How many of the spans are worked on together, at least one: scratch is kept in bounds.
  static std::size_t spans_at_once(const AttentionCall& call, std::span<const AttentionSpan> spans);

  int64_t width = 0;    // of a head, in whole vectors
  int64_t group = 0;    // query heads of one KV head
  int64_t partial = 0;  // floats of a partial result
  int64_t rows = 0;     // of all sequences
  int64_t block = 0;    // rows of a job at most, times group
  ThreadPool& pool = ThreadPool::current();
  std::vector<Sequence> sequences;
  std::vector<AttentionJob> jobs;    // the longest first
  std::vector<AttentionJob> merges;  // what was split into several jobs, whole

  /// The queries of one KV head and a row of a sequence, [group, width]: normed and rotated, maybe rounded in their
  /// place. Those of the sequence's next row follow.
  float* query(int64_t kv_head, int64_t row) const { return queries_ + (kv_head * rows + row) * group * width; }
  /// A worker's own floats.
  float* own(int worker) const { return own_ + worker * own_floats_; }

 private:
  int64_t add_sequences(const AttentionCall& call, std::span<const AttentionSpan> spans, bool rounds);
  void add_jobs(const AttentionCall& call, std::span<const AttentionSpan> spans);
  int64_t split_long_jobs();

  float* queries_ = nullptr;
  float* own_ = nullptr;
  int64_t own_floats_ = 0;
};

}  // namespace dstorch::ops::cpu
