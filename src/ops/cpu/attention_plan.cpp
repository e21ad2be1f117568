#include "ops/cpu/attention_plan.h"

#include <algorithm>

#include "ops/cpu/scratch.h"

namespace dstorch::ops::cpu {
namespace {

static_assert(kTileKeys == kPagePositions, "a tile of keys is a page");

/// Queries (rows times the heads that share a KV head) held against a tile at once.
constexpr int64_t kBlockQueries = 48;
/// A job that takes longer than this part of a thread's share of the call is split, so that the threads end together.
constexpr int64_t kJobsPerThread = 4;
/// Floats of scratch for the spans worked on at once, and for partial results.
constexpr int64_t kMostFloats = int64_t{6} << 20;
constexpr int64_t kMostPartials = int64_t{4} << 20;

int64_t round_to(int64_t count, int64_t unit) { return (count + unit - 1) / unit * unit; }

int64_t cost(const AttentionJob& job) { return job.rows() * job.tiles(); }

int64_t own_page_floats(const AttentionCall& call) { return 2 * call.kv_heads * kPagePositions * call.head_dim; }

int64_t own_floats(const AttentionCall& call, const AttentionSpan& span) {
  return span.pages == nullptr ? round_to(span.count, kPagePositions) / kPagePositions * own_page_floats(call) : 0;
}

}  // namespace

std::size_t AttentionPlan::spans_at_once(const AttentionCall& call, std::span<const AttentionSpan> spans) {
  int64_t floats = 0;
  std::size_t count = 0;
  for (; count < spans.size(); ++count) {
    floats += spans[count].count * call.heads * call.head_dim + own_floats(call, spans[count]);
    if (count > 0 && floats > kMostFloats) {
      break;
    }
  }
  return count;
}

AttentionPlan::AttentionPlan(const AttentionCall& call, std::span<const AttentionSpan> spans, int64_t lanes,
                             int64_t block_rows, bool rounds)
    : width(round_to(call.head_dim, lanes)), group(call.heads / call.kv_heads), partial(width + 2) {
  const auto for_own_pages = add_sequences(call, spans, rounds);
  add_jobs(call, spans);
  const auto for_partials = split_long_jobs();
  const auto for_queries = round_to(call.heads * rows * width, 16);
  own_floats_ = round_to(2 * kTileKeys * width + block * kTileKeys + (block + block_rows) * partial, 16);
  float* at = Scratch::of_this_thread().floats(
      static_cast<std::size_t>(for_queries + for_own_pages + for_partials + pool.threads() * own_floats_));
  // What is counted from 0 so far begins here.
  queries_ = at;
  at += for_queries;
  for (auto& sequence : sequences) {
    if (sequence.span->pages == nullptr) {
      sequence.own = at;
      at += own_floats(call, *sequence.span);
    }
  }
  for (auto& merge : merges) {
    merge.partials = at;
    at += merge.tiles() * merge.rows() * group * partial;
  }
  own_ = queries_ + for_queries + for_own_pages + for_partials;
  for (auto& job : jobs) {
    if (job.merge >= 0) {
      const auto& whole = merges[static_cast<std::size_t>(job.merge)];
      job.partials = whole.partials + (job.first_tile - whole.first_tile) * job.rows() * group * partial;
    }
  }
}

AttentionPlan::~AttentionPlan() { Scratch::of_this_thread().trim(); }

/// Floats of the sequences' own pages.
int64_t AttentionPlan::add_sequences(const AttentionCall& call, std::span<const AttentionSpan> spans, bool rounds) {
  const auto bytes = static_cast<int64_t>(size_of(call.cache_dtype));
  int64_t own = 0;
  for (const auto& span : spans) {
    Sequence sequence{.span = &span, .row = rows, .row_stride = call.head_dim};
    sequence.head_stride = kPagePositions * sequence.row_stride;
    if (span.pages != nullptr) {
      sequence.rounds = rounds;
      sequence.row_stride = page_row(call.cache_dtype, call.head_dim);
      sequence.head_stride = call.head_stride > 0 ? call.head_stride : kPagePositions * sequence.row_stride;
      sequence.values_offset =
          call.values_offset != 0 ? call.values_offset : call.kv_heads * sequence.head_stride * bytes;
    } else {
      sequence.own_page = own_page_floats(call);
      sequence.values_offset = sequence.own_page / 2 * static_cast<int64_t>(sizeof(float));
      own += own_floats(call, span);
    }
    rows += span.count;
    sequences.push_back(sequence);
  }
  return round_to(own, 16);
}

void AttentionPlan::add_jobs(const AttentionCall& call, std::span<const AttentionSpan> spans) {
  const auto most = std::max(kBlockQueries / group, int64_t{1});
  for (std::size_t i = 0; i < spans.size(); ++i) {
    const auto& span = spans[i];
    block = std::max(block, std::min(most, span.count) * group);
    for (auto end = span.count; end > 0; end = (end - 1) / most * most) {
      const auto begin = (end - 1) / most * most;
      const auto last = end - 1;
      for (int64_t kv_head = 0; kv_head < call.kv_heads; ++kv_head) {
        jobs.push_back({.sequence = static_cast<int64_t>(i),
                        .kv_head = kv_head,
                        .begin = begin,
                        .last = last,
                        .first_tile = first_key(call, span.position + begin) / kTileKeys,
                        .last_tile = (span.position + last) / kTileKeys});
      }
    }
  }
}

/// Floats of the partial results.
int64_t AttentionPlan::split_long_jobs() {
  const int64_t threads = pool.threads();
  int64_t total = 0;
  for (const auto& job : jobs) {
    total += cost(job);
  }
  int64_t floats = 0;
  std::vector<AttentionJob> parts;
  for (const auto& job : jobs) {
    const auto takes = cost(job) * group * partial;
    const bool split = threads > 1 && job.tiles() > 1 && cost(job) * kJobsPerThread * threads > total &&
                       floats + takes <= kMostPartials;
    if (!split) {
      parts.push_back(job);
      continue;
    }
    floats += takes;
    const auto length = std::max(total / (job.rows() * kJobsPerThread * threads), int64_t{1});
    for (auto tile = job.first_tile; tile <= job.last_tile; tile += length) {
      auto part = job;
      part.first_tile = tile;
      part.last_tile = std::min(tile + length - 1, job.last_tile);
      part.merge = static_cast<int64_t>(merges.size());
      parts.push_back(part);
    }
    merges.push_back(job);
  }
  std::stable_sort(parts.begin(), parts.end(),
                   [](const AttentionJob& a, const AttentionJob& b) { return cost(a) > cost(b); });
  jobs = std::move(parts);
  return round_to(floats, 16);
}

}  // namespace dstorch::ops::cpu
