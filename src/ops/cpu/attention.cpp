#include "ops/cpu/attention.h"

#include <algorithm>

#include "ops/cpu/attention_plan.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/attention.cpp"
#include <hwy/foreach_target.h>

#include "ops/cpu/attention_tile-inl.h"
#include "ops/cpu/norm-inl.h"
#include "ops/cpu/q8-inl.h"
#include "ops/cpu/rope-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dstorch::ops::cpu::HWY_NAMESPACE {
namespace {

template <class T>
void store_as(const float* from, int64_t count, T* to) {
  if constexpr (std::is_same_v<T, Q8>) {
    store_q8(from, count, to);
  } else {
    for (int64_t i = 0; i < count; ++i) {
      to[i] = from_float<T>(from[i]);
    }
  }
}

/// Calls f with a null pointer of the type that a sequence's keys and values are stored as.
template <class F>
HWY_INLINE void with_stored(const AttentionCall& call, const Sequence& sequence, const F& f) {
  if (sequence.own == nullptr && call.cache_dtype == DType::int8) {
    f(static_cast<const Q8*>(nullptr));
  } else {
    with_element(sequence.own != nullptr ? DType::float32 : call.cache_dtype, f);
  }
}

/// One head of a row: a query into scratch, or a key and its value into their page. `head` is scratch for a key.
void take_in(const AttentionCall& call, const AttentionPlan& plan, const Sequence& sequence, int64_t row, int64_t index,
             float* head) {
  const auto dim = call.head_dim;
  const bool is_key = index >= call.heads;
  const float* from = call.qkv + (sequence.span->first + row) * call.qkv_stride + index * dim;
  float* to = is_key ? head : plan.query(index / plan.group, sequence.row + row) + index % plan.group * plan.width;
  norm_row(is_key ? call.key_norm : call.query_norm, from, to, dim, true);
  const auto position = sequence.span->position + row;
  if (call.cos != nullptr) {
    rotate(to, call.cos + position * call.rotary_half, call.sin + position * call.rotary_half, call.rotary_half);
  }
  if constexpr (kMayRound) {
    if (!is_key && sequence.rounds) {
      round_row(to, dim, reinterpret_cast<Bf16*>(to));
    }
  }
  if (is_key) {
    std::byte* page = sequence.page(call, position / kPagePositions);
    const auto at = (index - call.heads) * sequence.head_stride + position % kPagePositions * sequence.row_stride;
    with_stored(call, sequence, [&]<class T>(const T*) {
      store_as(to, dim, reinterpret_cast<T*>(page) + at);
      store_as(from + call.kv_heads * dim, dim, reinterpret_cast<T*>(page + sequence.values_offset) + at);
    });
  }
}

constexpr int64_t kHeadsTakenIn = 16;  // at a time

/// Queries, keys and values, a few heads at a time.
void take_in_chunks(const AttentionCall& call, const AttentionPlan& plan, float* head, Chunks& chunks) {
  const auto each = call.heads + call.kv_heads;
  const auto& sequences = plan.sequences;
  for (int64_t chunk = 0; chunks.next(chunk);) {
    const auto end = HWY_MIN((chunk + 1) * kHeadsTakenIn, plan.rows * each);
    // The last sequence that begins at or before the row, which is the one that has it.
    auto sequence = std::upper_bound(sequences.begin(), sequences.end(), chunk * kHeadsTakenIn / each,
                                     [](int64_t row, const Sequence& s) { return row < s.row; }) -
                    1;
    for (auto item = chunk * kHeadsTakenIn; item < end; ++item) {
      const auto row = item / each;
      while (row >= sequence->row + sequence->span->count) {
        ++sequence;
      }
      take_in(call, plan, *sequence, row - sequence->row, item % each, head);
    }
  }
}

HWY_INLINE void finish(const AttentionCall& call, const AttentionPlan& plan, const AttentionJob& job, int64_t row,
                       int64_t member, const float* total) {
  const auto& span = *plan.sequences[static_cast<size_t>(job.sequence)].span;
  float* out = call.out + (span.first + row) * call.out_stride + (job.kv_head * plan.group + member) * call.head_dim;
  finish_result(total, plan.width, out, call.head_dim);
}

/// The tiles of a job, in order.
template <class T>
void attend(const AttentionCall& call, const AttentionPlan& plan, const AttentionJob& job, const Room& room) {
  const auto& sequence = plan.sequences[static_cast<size_t>(job.sequence)];
  const auto position = sequence.span->position;
  for (auto tile = job.first_tile; tile <= job.last_tile; ++tile) {
    // Rows before the tile see nothing of it, nor do those whose window begins behind it.
    const auto from = HWY_MAX(job.begin, tile * kTileKeys - position);
    auto to = job.last;
    if (call.window > 0) {
      to = HWY_MIN(to, (tile + 1) * kTileKeys - 1 + call.window - 1 - position);
    }
    if (from > to) {
      continue;
    }
    const auto skipped = (from - job.begin) * plan.group;
    if (job.partials != nullptr) {
      float* partials = job.partials + ((tile - job.first_tile) * job.rows() * plan.group + skipped) * plan.partial;
      with_tile<T>(
          call, plan, sequence, room, job.kv_head, tile, from, to,
          [&](int64_t query, int64_t) { return partials + query * plan.partial; }, [](int64_t, const float*) {});
      continue;
    }
    const auto total_of = [&](int64_t query) { return room.totals + (skipped + query) * plan.partial; };
    const auto opens = [&](int64_t query) {
      return tile == first_key(call, position + from + query / plan.group) / kTileKeys;
    };
    with_tile<T>(
        call, plan, sequence, room, job.kv_head, tile, from, to,
        [&](int64_t query, int64_t i) { return opens(query) ? total_of(query) : room.partials + i * plan.partial; },
        [&](int64_t query, const float* partial) HWY_ATTR {
          if (!opens(query)) {
            merge(total_of(query), partial, plan.width);
          }
        });
  }
  if (job.partials != nullptr) {
    return;
  }
  for (auto row = job.begin; row <= job.last; ++row) {
    for (int64_t member = 0; member < plan.group; ++member) {
      finish(call, plan, job, row, member, room.totals + ((row - job.begin) * plan.group + member) * plan.partial);
    }
  }
}

/// The result of one query of a job whose tiles were split among several.
void merge_tiles(const AttentionCall& call, const AttentionPlan& plan, const AttentionJob& job, int64_t row,
                 int64_t member) {
  const auto position = plan.sequences[static_cast<size_t>(job.sequence)].span->position + row;
  const auto place = [&](int64_t tile) {
    const auto query = ((tile - job.first_tile) * job.rows() + row - job.begin) * plan.group + member;
    return job.partials + query * plan.partial;
  };
  auto tile = first_key(call, position) / kTileKeys;
  float* total = place(tile);
  for (++tile; tile <= position / kTileKeys; ++tile) {
    merge(total, place(tile), plan.width);
  }
  finish(call, plan, job, row, member, total);
}

void attend_spans(const AttentionCall& call, std::span<const AttentionSpan> spans) {
  const bool rounds = kMayRound && bf16_products() && call.head_dim % 2 == 0 &&
                      (call.cache_dtype == DType::bfloat16 || call.cache_dtype == DType::int8);
  const AttentionPlan plan(call, spans, kLanes, kBlockRows, rounds);
  const auto take_all_in = [&](Worker worker, Chunks& chunks) {
    take_in_chunks(call, plan, Room(plan, worker.index).partials, chunks);
  };
  const auto attend_all = [&](Worker worker, Chunks& chunks) {
    const Room room(plan, worker.index);
    for (int64_t i = 0; chunks.next(i);) {
      const auto& job = plan.jobs[static_cast<size_t>(i)];
      with_stored(call, plan.sequences[static_cast<size_t>(job.sequence)],
                  [&]<class T>(const T*) { attend<T>(call, plan, job, room); });
    }
  };
  const auto merge_all = [&](Worker, Chunks& chunks) {
    for (int64_t i = 0; chunks.next(i);) {
      const auto& job = plan.merges[static_cast<size_t>(i / plan.block)];
      if (const auto query = i % plan.block; query < job.rows() * plan.group) {
        merge_tiles(call, plan, job, job.begin + query / plan.group, query % plan.group);
      }
    }
  };
  const auto heads = plan.rows * (call.heads + call.kv_heads);
  plan.pool.run({{(heads + kHeadsTakenIn - 1) / kHeadsTakenIn, take_all_in},
                 {static_cast<int64_t>(plan.jobs.size()), attend_all},
                 {static_cast<int64_t>(plan.merges.size()) * plan.block, merge_all}});
}

void run_attention(const AttentionCall& call) {
  for (auto rest = call.spans; !rest.empty();) {
    const auto count = AttentionPlan::spans_at_once(call, rest);
    attend_spans(call, rest.first(count));
    rest = rest.subspan(count);
  }
}

}  // namespace
}  // namespace dstorch::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dstorch::ops::cpu {

HWY_EXPORT(run_attention);

void attention(const AttentionCall& call) { HWY_DYNAMIC_DISPATCH(run_attention)(call); }

}  // namespace dstorch::ops::cpu
#endif
