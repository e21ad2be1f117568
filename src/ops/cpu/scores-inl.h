// Scores of queries with a tile of keys: scores[q][j] = sum over f of q[f] * key[j][f]. Included once per target.
//
// Keys lie side by side in a vector, their features one after the other: each score is one chain of fused multiply-adds
// in ascending order of the features, whatever other queries and keys it is computed with, and nothing is left to be
// summed over lanes. That takes a tile with its features in rows, made once for all queries that see it.
#if defined(DSTORCH_OPS_CPU_SCORES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef DSTORCH_OPS_CPU_SCORES_INL_H
#undef DSTORCH_OPS_CPU_SCORES_INL_H
#else
#define DSTORCH_OPS_CPU_SCORES_INL_H
#endif

#include "ops/cpu/bf16_product.h"
#include "ops/cpu/product-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dstorch::ops::cpu::HWY_NAMESPACE {
namespace {

#if HWY_TARGET != HWY_SCALAR
/// store(i, lane i of every row) for kLanes rows load(0), load(1), ...
template <class Load, class Store>
HWY_INLINE void transpose_square(const Load& load, const Store& store) {
  constexpr int kBlock = 4;  // lanes of 128 bits
  constexpr int kBlocks = kLanes / kBlock;
  const DF d;
  const hn::RepartitionToWide<DU32> d64;
  // Block b of part[g][i]: lane 4 b + i of rows 4 g to 4 g + 3.
  V part[kBlocks][kBlock];
  for (int g = 0; g < kBlocks; ++g) {
    const auto row0 = load(g * kBlock), row1 = load(g * kBlock + 1);
    const auto row2 = load(g * kBlock + 2), row3 = load(g * kBlock + 3);
    const auto low_a = hn::BitCast(d64, hn::InterleaveLower(d, row0, row1));
    const auto low_b = hn::BitCast(d64, hn::InterleaveLower(d, row2, row3));
    const auto high_a = hn::BitCast(d64, hn::InterleaveUpper(d, row0, row1));
    const auto high_b = hn::BitCast(d64, hn::InterleaveUpper(d, row2, row3));
    part[g][0] = hn::BitCast(d, hn::InterleaveLower(d64, low_a, low_b));
    part[g][1] = hn::BitCast(d, hn::InterleaveUpper(d64, low_a, low_b));
    part[g][2] = hn::BitCast(d, hn::InterleaveLower(d64, high_a, high_b));
    part[g][3] = hn::BitCast(d, hn::InterleaveUpper(d64, high_a, high_b));
  }
  for (int i = 0; i < kBlock; ++i) {
    if constexpr (kBlocks == 1) {
      store(i, part[0][i]);
    } else {
      // Even blocks of two parts side by side, and odd ones.
      const auto even = hn::OddEvenBlocks(hn::SwapAdjacentBlocks(part[1][i]), part[0][i]);
      const auto odd = hn::OddEvenBlocks(part[1][i], hn::SwapAdjacentBlocks(part[0][i]));
      if constexpr (kBlocks == 2) {
        store(i, even);
        store(kBlock + i, odd);
      } else {
        const auto later_even = hn::OddEvenBlocks(hn::SwapAdjacentBlocks(part[3][i]), part[2][i]);
        const auto later_odd = hn::OddEvenBlocks(part[3][i], hn::SwapAdjacentBlocks(part[2][i]));
        store(i, hn::ConcatLowerLower(d, later_even, even));
        store(kBlock + i, hn::ConcatLowerLower(d, later_odd, odd));
        store(2 * kBlock + i, hn::ConcatUpperUpper(d, later_even, even));
        store(3 * kBlock + i, hn::ConcatUpperUpper(d, later_odd, odd));
      }
    }
  }
}
#endif

/// to[f][j] = feature f of the key at place j of a tile, for all f below `features`. load_row(j, f) gives kLanes
/// features of a key from f on. `to` has padded(features) rows of kTileKeys.
template <class LoadRow>
HWY_INLINE void transpose_tile(int64_t features, float* to, const LoadRow& load_row) {
#if HWY_TARGET == HWY_SCALAR
  for (int64_t j = 0; j < kTileKeys; ++j) {
    for (int64_t f = 0; f < features; ++f) {
      to[f * kTileKeys + j] = hn::GetLane(load_row(j, f));
    }
  }
#else
  for (int64_t j = 0; j < kTileKeys; j += kLanes) {
    for (int64_t f = 0; f < features; f += kLanes) {
      transpose_square([&](int64_t i) HWY_ATTR { return load_row(j + i, f); },
                       [&](int64_t i, V keys) HWY_ATTR { hn::StoreU(keys, DF(), to + (f + i) * kTileKeys + j); });
    }
  }
#endif
}

/// Scores of kRows queries with all keys of a tile from `transpose_tile`.
template <int kRows>
HWY_INLINE void score_rows(const float* queries, int64_t stride, const float* tile, int64_t features, float* scores) {
  constexpr int kVectors = HWY_MIN(4, kTileKeys / kLanes);
  for (int64_t j = 0; j < kTileKeys; j += kVectors * kLanes) {
    V sum[kRows][kVectors];
    for (int r = 0; r < kRows; ++r) {
      for (int i = 0; i < kVectors; ++i) {
        sum[r][i] = hn::Zero(DF());
      }
    }
    for (int64_t f = 0; f < features; ++f) {
      V keys[kVectors];
      for (int i = 0; i < kVectors; ++i) {
        keys[i] = load(tile + f * kTileKeys + j + i * kLanes);
      }
      for (int r = 0; r < kRows; ++r) {
        const auto feature = hn::Set(DF(), queries[r * stride + f]);
        for (int i = 0; i < kVectors; ++i) {
          sum[r][i] = hn::MulAdd(feature, keys[i], sum[r][i]);
        }
      }
    }
    for (int r = 0; r < kRows; ++r) {
      for (int i = 0; i < kVectors; ++i) {
        hn::StoreU(sum[r][i], DF(), scores + r * kTileKeys + j + i * kLanes);
      }
    }
  }
}

/// scores[r][j] of `rows` queries, `stride` apart, with the keys of a tile.
HWY_INLINE void scores_of(const float* queries, int64_t rows, int64_t stride, const float* tile, int64_t features,
                          float* scores) {
  for (int64_t r = 0; r < rows; r += kBlockRows) {
    with_rows(HWY_MIN(rows - r, kBlockRows), [&](auto constant) HWY_ATTR {
      score_rows<constant()>(queries + r * stride, stride, tile, features, scores + r * kTileKeys);
    });
  }
}

}  // namespace
}  // namespace dstorch::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
