#include "ops/cpu/attention.h"

#include <algorithm>
#include <atomic>
#include <type_traits>

#include "ops/cpu/bf16_product.h"
#include "ops/cpu/threads.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/attention.cpp"
#include <hwy/foreach_target.h>

#include "ops/cpu/norm-inl.h"
#include "ops/cpu/rope-inl.h"
#include "ops/cpu/softmax-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dstorch::ops::cpu::HWY_NAMESPACE {
namespace {

/// Queries (positions times the heads that share a KV head) held against a tile at once.
constexpr int64_t kBlockQueries = 48;

struct Plan {
  int64_t width = 0;      // of a head, in whole vectors
  int64_t group = 0;      // query heads of one KV head
  int64_t positions = 0;  // of a block
  int64_t blocks = 0;
  int64_t own = 0;      // floats of scratch of a worker
  bool rounds = false;  // queries are rounded to bfloat16, to meet keys of it
  bool split = false;   // one position: its tiles are shared out, as there is nothing else to share
  int64_t first_tile = 0;
  int64_t tiles = 0;
  int threads = 1;
  float* queries = nullptr;   // [kv_heads, count, group, width], normed and rotated, maybe rounded in their place
  float* partials = nullptr;  // [kv_heads, tiles, group] partial results, where split
  float* workers = nullptr;
  mutable std::atomic<int64_t> next{0};

  explicit Plan(const AttentionCall& call)
      : width(padded(call.head_dim)),
        group(call.heads / call.kv_heads),
        positions(HWY_MAX(kBlockQueries / group, int64_t{1})),
        blocks((call.count + positions - 1) / positions),
        rounds(kMayRound && bf16_products() && call.cache_dtype == DType::bfloat16 && call.head_dim % 2 == 0),
        split(call.count == 1),
        first_tile(first_key(call, call.position) / kTileKeys),
        tiles((call.position + call.count - 1) / kTileKeys + 1 - first_tile),
        threads(num_threads()) {
    const auto rows = HWY_MIN(positions, call.count) * group;
    own = round_up(2 * kTileKeys * width + rows * kTileKeys + (rows + kBlockRows) * partial_size(width), 16);
    const auto for_queries = round_up(call.heads * call.count * width, 16);
    const auto for_partials = split ? round_up(call.heads * tiles * partial_size(width), 16) : 0;
    queries = Scratch::of_this_thread().floats(static_cast<size_t>(for_queries + for_partials + threads * own));
    partials = queries + for_queries;
    workers = partials + for_partials;
  }
  ~Plan() { Scratch::of_this_thread().trim(); }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  static int64_t first_key(const AttentionCall& call, int64_t position) {
    return call.window > 0 ? HWY_MAX(position - call.window + 1, int64_t{0}) : 0;
  }
  const float* query(const AttentionCall& call, int64_t kv_head, int64_t row) const {
    return queries + (kv_head * call.count + row) * group * width;
  }
};

/// A worker's scratch.
struct Room {
  float* keys;      // [width, kTileKeys]
  float* values;    // [kTileKeys, width]
  float* scores;    // [rows, kTileKeys]
  float* partials;  // [kBlockRows] partial results
  float* totals;    // [rows] partial results

  Room(const Plan& plan, const AttentionCall& call, Worker worker)
      : keys(plan.workers + worker.index * plan.own),
        values(keys + kTileKeys * plan.width),
        scores(values + kTileKeys * plan.width),
        partials(scores + HWY_MIN(plan.positions, call.count) * plan.group * kTileKeys),
        totals(partials + kBlockRows * partial_size(plan.width)) {}
};

template <class T>
void store_as(const float* from, int64_t count, T* to) {
  for (int64_t i = 0; i < count; ++i) {
    to[i] = from_float<T>(from[i]);
  }
}

/// Brings this worker's share of the queries into scratch, of the keys and values into the cache.
template <class T>
void take_in(const AttentionCall& call, const Plan& plan, Worker worker, float* head) {
  const auto dim = call.head_dim;
  const auto each = call.heads + call.kv_heads;
  const auto range = share(call.count * each, 1, worker);
  for (int64_t item = range.begin; item < range.end; ++item) {
    const auto row = item / each;
    const auto index = item % each;
    const bool is_key = index >= call.heads;
    const float* from = call.qkv + row * call.qkv_stride + index * dim;
    float* to =
        is_key ? head : const_cast<float*>(plan.query(call, index / plan.group, row)) + index % plan.group * plan.width;
    norm_row(is_key ? call.key_norm : call.query_norm, from, to, dim, true);
    if (call.cos != nullptr) {
      const auto angles = (call.position + row) * call.rotary_half;
      rotate(to, call.cos + angles, call.sin + angles, call.rotary_half);
    }
    if constexpr (kMayRound) {
      if (!is_key && plan.rounds) {
        round_row(to, dim, reinterpret_cast<Bf16*>(to));
      }
    }
    if (is_key) {
      const auto at = (index - call.heads) * call.cache_stride + (call.position + row) * dim;
      store_as(to, dim, static_cast<T*>(call.keys) + at);
      store_as(from + call.kv_heads * dim, dim, static_cast<T*>(call.values) + at);
    }
  }
}

/// The keys of a tile that queries of new positions first .. last may see at most.
struct Span {
  int64_t begin;
  int64_t end;
  bool operator==(const Span&) const = default;
};
HWY_INLINE Span visible(const AttentionCall& call, int64_t tile, int64_t first, int64_t last) {
  return {HWY_MAX(Plan::first_key(call, call.position + first), tile * kTileKeys),
          HWY_MIN(call.position + last + 1, (tile + 1) * kTileKeys)};
}

/// Scores of `rows` queries with the tile whose key at place j begins at key_of(j).
template <class T, class KeyOf>
HWY_INLINE void scores_of_tile(const Plan& plan, const KeyOf& key_of, const float* queries, int64_t rows, int64_t dim,
                               const Room& room) {
  if constexpr (kMayRound && std::is_same_v<T, Bf16>) {
    if (plan.rounds) {
      const auto pairs = dim / 2;  // of features, as long as a float each
      transpose_tile(pairs, room.keys,
                     [&](int64_t j, int64_t at) HWY_ATTR { return load_upto<float>(key_of(j), at, pairs - at); });
      bf16_scores(reinterpret_cast<const Bf16*>(queries), rows, 2 * plan.width,
                  reinterpret_cast<const Bf16*>(room.keys), pairs, room.scores);
      return;
    }
  }
  transpose_tile(dim, room.keys, [&](int64_t j, int64_t at) HWY_ATTR { return load_upto<T>(key_of(j), at, dim - at); });
  scores_of(queries, rows, plan.width, room.keys, dim, room.scores);
}

/// Partial results of new positions first .. last (all of which see some of the tile's keys) with one tile. Rows are
/// numbered from 0: position first, its group's heads, the next position. place(row, i) says where the result of a row,
/// the i-th of at most kBlockRows worked on together, goes; done(row, result) is called when it is there.
template <class T, class Place, class Done>
HWY_INLINE void with_tile(const AttentionCall& call, const Plan& plan, const Room& room, int64_t kv_head, int64_t tile,
                          int64_t first, int64_t last, const Place& place, const Done& done) {
  const auto keys = visible(call, tile, first, last);
  const auto start = tile * kTileKeys;
  const auto rows = (last - first + 1) * plan.group;
  // Every key has its place in the tile, whoever sees it.
  const auto row_of = [&](const void* cache, int64_t key) {
    return static_cast<const T*>(cache) + kv_head * call.cache_stride + key * call.head_dim;
  };
  const auto key_of = [&](int64_t j) {
    return row_of(call.keys, HWY_MIN(HWY_MAX(start + j, keys.begin), keys.end - 1));
  };
  scores_of_tile<T>(plan, key_of, plan.query(call, kv_head, first), rows, call.head_dim, room);
  for (int64_t key = keys.begin; key < keys.end; ++key) {
    for (int64_t i = 0; i < call.head_dim; i += kLanes) {
      hn::StoreU(load_upto<T>(row_of(call.values, key), i, call.head_dim - i), DF(),
                 room.values + (key - start) * plan.width + i);
    }
  }
  const auto seen_by = [&](int64_t row) {
    const auto position = first + row / plan.group;
    const auto seen = visible(call, tile, position, position);
    return Span{seen.begin - start, seen.end - start};
  };
  for (int64_t row = 0; row < rows;) {
    // Rows that see the same keys are worked on together.
    const auto seen = seen_by(row);
    float* partials[kBlockRows];
    int64_t run = 0;
    for (; run < kBlockRows && row + run < rows && seen_by(row + run) == seen; ++run) {
      partials[run] = place(row + run, run);
    }
    partial_results(room.scores + row * kTileKeys, run, seen.begin, seen.end, call.scale, room.values, plan.width,
                    partials);
    for (int64_t i = 0; i < run; ++i) {
      done(row + i, partials[i]);
    }
    row += run;
  }
}

HWY_INLINE float* place_of(const AttentionCall& call, const Plan& plan, int64_t kv_head, int64_t row, int64_t member) {
  return call.out + (row * call.heads + kv_head * plan.group + member) * call.head_dim;
}

/// All tiles of a block of new positions, in order.
template <class T>
void attend_block(const AttentionCall& call, const Plan& plan, const Room& room, int64_t kv_head, int64_t block) {
  const auto width = plan.width;
  const auto size = partial_size(width);
  const auto begin = block * plan.positions;
  const auto last = HWY_MIN(begin + plan.positions, call.count) - 1;
  const auto first_tile = Plan::first_key(call, call.position + begin) / kTileKeys;
  const auto last_tile = (call.position + last) / kTileKeys;
  for (int64_t tile = first_tile; tile <= last_tile; ++tile) {
    // Positions before the tile see nothing of it, nor do those whose window begins behind it.
    const auto from = HWY_MAX(begin, tile * kTileKeys - call.position);
    auto to = last;
    if (call.window > 0) {
      to = HWY_MIN(to, (tile + 1) * kTileKeys - 1 + call.window - 1 - call.position);
    }
    if (from > to) {
      continue;
    }
    const auto total_of = [&](int64_t row) { return room.totals + ((from - begin) * plan.group + row) * size; };
    const auto opens = [&](int64_t row) {
      return tile == Plan::first_key(call, call.position + from + row / plan.group) / kTileKeys;
    };
    with_tile<T>(
        call, plan, room, kv_head, tile, from, to,
        [&](int64_t row, int64_t i) { return opens(row) ? total_of(row) : room.partials + i * size; },
        [&](int64_t row, const float* partial) HWY_ATTR {
          if (!opens(row)) {
            merge(total_of(row), partial, width);
          }
        });
  }
  for (int64_t row = begin; row <= last; ++row) {
    for (int64_t member = 0; member < plan.group; ++member) {
      finish_result(room.totals + ((row - begin) * plan.group + member) * size, width,
                    place_of(call, plan, kv_head, row, member), call.head_dim);
    }
  }
}

/// One new position: the tiles of all KV heads are shared out, then each head's partial results merged.
template <class T>
void attend_split(const AttentionCall& call, const Plan& plan, const Room& room, Worker worker) {
  const auto size = partial_size(plan.width);
  const auto place = [&](int64_t kv_head, int64_t tile, int64_t member) {
    return plan.partials + ((kv_head * plan.tiles + tile) * plan.group + member) * size;
  };
  const auto range = share(call.kv_heads * plan.tiles, 1, worker);
  for (int64_t item = range.begin; item < range.end; ++item) {
    const auto kv_head = item / plan.tiles;
    const auto tile = item % plan.tiles;
    with_tile<T>(
        call, plan, room, kv_head, plan.first_tile + tile, 0, 0,
        [&](int64_t member, int64_t) { return place(kv_head, tile, member); }, [](int64_t, const float*) {});
  }
  worker.barrier();
  const auto heads = share(call.heads, 1, worker);
  for (int64_t head = heads.begin; head < heads.end; ++head) {
    const auto kv_head = head / plan.group;
    const auto member = head % plan.group;
    float* total = place(kv_head, 0, member);
    for (int64_t tile = 1; tile < plan.tiles; ++tile) {
      merge(total, place(kv_head, tile, member), plan.width);
    }
    finish_result(total, plan.width, place_of(call, plan, kv_head, 0, member), call.head_dim);
  }
}

template <class T>
void attention_worker(const AttentionCall& call, const Plan& plan, Worker worker) {
  const Room room(plan, call, worker);
  take_in<T>(call, plan, worker, room.partials);
  worker.barrier();
  if (plan.split) {
    attend_split<T>(call, plan, room, worker);
    return;
  }
  const auto tasks = call.kv_heads * plan.blocks;
  for (auto task = plan.next.fetch_add(1); task < tasks; task = plan.next.fetch_add(1)) {
    // The last blocks see the most keys: they go first, so that the workers end together.
    attend_block<T>(call, plan, room, task % call.kv_heads, plan.blocks - 1 - task / call.kv_heads);
  }
}

void run_attention(const AttentionCall& call) {
  const Plan plan(call);
  run_parallel(plan.threads, [&](Worker worker) {
    with_element(call.cache_dtype, [&]<class T>(const T*) { attention_worker<T>(call, plan, worker); });
  });
}

}  // namespace
}  // namespace dstorch::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dstorch::ops::cpu {

HWY_EXPORT(run_attention);

void attention(const AttentionCall& call) {
  if (call.count > 0) {
    HWY_DYNAMIC_DISPATCH(run_attention)(call);
  }
}

}  // namespace dstorch::ops::cpu
#endif
