// Rows of a sequence against a tile of its keys and values, which is a page. Included once per target.
#if defined(DSTORCH_OPS_CPU_ATTENTION_TILE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef DSTORCH_OPS_CPU_ATTENTION_TILE_INL_H
#undef DSTORCH_OPS_CPU_ATTENTION_TILE_INL_H
#else
#define DSTORCH_OPS_CPU_ATTENTION_TILE_INL_H
#endif

#include <hwy/cache_control.h>

#include <type_traits>

#include "ops/cpu/attention_plan.h"
#include "ops/cpu/q8-inl.h"
#include "ops/cpu/softmax-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dstorch::ops::cpu::HWY_NAMESPACE {
namespace {

/// A worker's scratch.
struct Room {
  float* keys;      // [width, kTileKeys]
  float* values;    // [kTileKeys, width]
  float* scores;    // [rows of a job, kTileKeys]
  float* partials;  // [kBlockRows] partial results
  float* totals;    // [rows of a job] partial results

  Room(const AttentionPlan& plan, int worker)
      : keys(plan.own(worker)),
        values(keys + kTileKeys * plan.width),
        scores(values + kTileKeys * plan.width),
        partials(scores + plan.block * kTileKeys),
        totals(partials + kBlockRows * plan.partial) {}
};

/// The keys of a tile, by their place in it, that rows first .. last may see at most.
struct Seen {
  int64_t begin;
  int64_t end;
  bool operator==(const Seen&) const = default;
};
HWY_INLINE Seen visible(const AttentionCall& call, const Sequence& sequence, int64_t tile, int64_t first,
                        int64_t last) {
  const auto start = tile * kTileKeys;
  const auto position = sequence.span->position;
  return {HWY_MAX(first_key(call, position + first) - start, int64_t{0}),
          HWY_MIN(position + last + 1 - start, kTileKeys)};
}

/// One head's keys and values of a tile, as they are stored.
template <class T>
struct TileRows {
  const T* keys;    // that of place 0; the next is `stride` further
  const T* values;  // likewise
  int64_t stride;
  Seen seen;  // places that somebody sees; there is nothing to be read at the others

  /// Every place has a key, whoever sees it.
  HWY_INLINE const T* key(int64_t place) const { return keys + near(place) * stride; }
  /// load(a key's elements from `at` on). Its value is wanted next: the elements there are fetched meanwhile.
  template <class Load>
  HWY_INLINE V load_key(int64_t place, int64_t at, const Load& load) const {
    hwy::Prefetch(values + near(place) * stride + at);
    return load(key(place) + at);
  }

 private:
  HWY_INLINE int64_t near(int64_t place) const { return HWY_MIN(HWY_MAX(place, seen.begin), seen.end - 1); }
};

/// Scores of `rows` queries with a tile's keys, in units of their scales.
template <class T>
HWY_INLINE void scores_as_stored(const AttentionPlan& plan, bool rounds, const TileRows<T>& tile, const float* queries,
                                 int64_t rows, int64_t dim, const Room& room) {
  if constexpr (kMayRound && (std::is_same_v<T, Bf16> || std::is_same_v<T, Q8>)) {
    if (rounds) {
      const auto pairs = dim / 2;  // of features, as long as a float each
      transpose_tile(pairs, room.keys, [&](int64_t j, int64_t at) HWY_ATTR {
        return tile.load_key(j, 2 * at, [&](const T* from) HWY_ATTR {
          if constexpr (std::is_same_v<T, Q8>) {
            return load_bf16_pairs(from, pairs - at);
          } else {
            return load_upto<float>(from, 0, pairs - at);
          }
        });
      });
      bf16_scores(reinterpret_cast<const Bf16*>(queries), rows, 2 * plan.width,
                  reinterpret_cast<const Bf16*>(room.keys), pairs, room.scores);
      return;
    }
  }
  transpose_tile(dim, room.keys, [&](int64_t j, int64_t at) HWY_ATTR {
    return tile.load_key(j, at, [&](const T* from) HWY_ATTR { return load_upto<T>(from, 0, dim - at); });
  });
  scores_of(queries, rows, plan.width, room.keys, dim, room.scores);
}

template <class T>
HWY_INLINE void scores_of_tile(const AttentionPlan& plan, bool rounds, const TileRows<T>& tile, const float* queries,
                               int64_t rows, int64_t dim, const Room& room) {
  scores_as_stored(plan, rounds, tile, queries, rows, dim, room);
  if constexpr (std::is_same_v<T, Q8>) {
    float scales[kTileKeys];
    for (int64_t j = 0; j < kTileKeys; ++j) {
      scales[j] = q8_scale(tile.key(j), dim);
    }
    for (int64_t i = 0; i < rows * kTileKeys; i += kLanes) {
      hn::StoreU(hn::Mul(load(room.scores + i), load(scales + i % kTileKeys)), DF(), room.scores + i);
    }
  }
}

/// The numbers of a stored row as float32, in whole vectors.
template <class T>
HWY_INLINE void load_row(const T* row, int64_t dim, float* to) {
  for (int64_t i = 0; i < dim; i += kLanes) {
    auto numbers = load_upto<T>(row, i, dim - i);
    if constexpr (std::is_same_v<T, Q8>) {
      numbers = hn::Mul(numbers, hn::Set(DF(), q8_scale(row, dim)));
    }
    hn::StoreU(numbers, DF(), to + i);
  }
}

/// Partial results of rows first .. last (all of which see some of the tile's keys) with one tile. Queries are numbered
/// from 0: row first, its group's heads, the next row. place(query, i) says where the result of a query, the i-th of at
/// most kBlockRows worked on together, goes; done(query, result) is called when it is there.
template <class T, class Place, class Done>
HWY_INLINE void with_tile(const AttentionCall& call, const AttentionPlan& plan, const Sequence& sequence,
                          const Room& room, int64_t kv_head, int64_t tile, int64_t first, int64_t last,
                          const Place& place, const Done& done) {
  const auto dim = call.head_dim;
  const auto keys = visible(call, sequence, tile, first, last);
  const auto queries = (last - first + 1) * plan.group;
  const std::byte* page = sequence.page(call, tile);
  const auto head = kv_head * sequence.head_stride;
  const TileRows<T> stored{reinterpret_cast<const T*>(page) + head,
                           reinterpret_cast<const T*>(page + sequence.values_offset) + head, sequence.row_stride, keys};
  scores_of_tile(plan, sequence.rounds, stored, plan.query(kv_head, sequence.row + first), queries, dim, room);
  // A few queries take values as they are stored; many would turn each into float32 again and again.
  const bool as_stored = !std::is_same_v<T, Q8> && queries <= kBlockRows && dim == plan.width;
  if (!as_stored) {
    for (auto j = keys.begin; j < keys.end; ++j) {
      load_row(stored.values + j * stored.stride, dim, room.values + j * plan.width);
    }
  }
  const auto seen_by = [&](int64_t query) {
    const auto row = first + query / plan.group;
    return visible(call, sequence, tile, row, row);
  };
  for (int64_t query = 0; query < queries;) {
    // Queries that see the same keys are worked on together.
    const auto seen = seen_by(query);
    float* partials[kBlockRows] = {};
    int64_t run = 0;
    for (; run < kBlockRows && query + run < queries && seen_by(query + run) == seen; ++run) {
      partials[run] = place(query + run, run);
    }
    const auto mix_values = [&](const auto* values, int64_t stride) HWY_ATTR {
      partial_results(room.scores + query * kTileKeys, run, seen.begin, seen.end, {call.scale, call.cap}, values,
                      stride, plan.width, partials);
    };
    if (as_stored) {
      mix_values(stored.values, stored.stride);
    } else {
      mix_values(room.values, plan.width);
    }
    for (int64_t i = 0; i < run; ++i) {
      done(query + i, partials[i]);
    }
    query += run;
  }
}

}  // namespace
}  // namespace dstorch::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
