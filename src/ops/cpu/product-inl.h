// Products of rows with rows: out[r][n] = sum over k of x[r][k] * w[n][k]. Included once per target.
//
// One output is one vector accumulator: lane j sums the k that are j modulo kLanes, in ascending order, by fused
// multiply-add; then the lanes are summed as `sums` does. Every kernel here, whatever number of rows and outputs it
// works on at once, does exactly that, which is what makes a row's result independent of its company.
#if defined(DSTORCH_OPS_CPU_PRODUCT_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef DSTORCH_OPS_CPU_PRODUCT_INL_H
#undef DSTORCH_OPS_CPU_PRODUCT_INL_H
#else
#define DSTORCH_OPS_CPU_PRODUCT_INL_H
#endif

#include <hwy/cache_control.h>

#include <type_traits>

#include "ops/cpu/vec-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dstorch::ops::cpu::HWY_NAMESPACE {
namespace {

/// Rows of x that a kernel holds against a tile of four outputs: as many as the registers take. And rows up to which
/// weights are multiplied as they lie, read once: against fewer outputs the more rows there are.
#if HWY_TARGET == HWY_EMU128 || HWY_TARGET == HWY_SCALAR
inline constexpr int kBlockRows = 2;
inline constexpr int kDirectRows = 2;
#elif HWY_ARCH_X86 && HWY_TARGET > HWY_AVX3
inline constexpr int kBlockRows = 3;
inline constexpr int kDirectRows = 6;
#else
inline constexpr int kBlockRows = 6;
inline constexpr int kDirectRows = 12;
#endif
inline constexpr int kTileOutputs = 4;

/// Outputs that so many rows are held against where weights are multiplied as they lie.
constexpr int direct_outputs(int rows) {
  return rows == 1 ? 8 : HWY_MAX(1, HWY_MIN(kTileOutputs, kBlockRows * kTileOutputs / rows));
}
/// Bytes of weights between what is multiplied and what is fetched meanwhile.
inline constexpr int64_t kFetchedAhead = int64_t{4} << 10;

/// Many rows are held against tiles of weights widened once. Up to kWholeFeatures features, a tile is four outputs wide
/// and all features long. Beyond, it is kWideOutputs wide and about kPartFeatures long, so that it stays in the
/// first-level cache, and the accumulators wait in memory from one part of the features to the next.
inline constexpr int64_t kWholeFeatures = 1024;
inline constexpr int64_t kPartFeatures = 320;
inline constexpr int64_t kWideOutputs = 16;

/// The sums of four accumulators into out[0 .. 4), or the first `count` of them.
HWY_INLINE void store_sums(const V* four, float* out, int64_t count) {
  if (count >= kTileOutputs) {
    sums(four[0], four[1], four[2], four[3], out);
  } else {
    float all[kTileOutputs];
    sums(four[0], four[1], four[2], four[3], all);
    std::memcpy(out, all, static_cast<size_t>(count) * sizeof(float));
  }
}

/// A product of kRows rows of x (vectors whole, zeros beyond k) with kOutputs rows of w as they lie in memory: rows
/// first, first + gap, first + 2 * gap, ..., those below `outputs`. Results go to the columns of these numbers.
/// Meanwhile weights `ahead` elements further are fetched.
template <int kRows, int kOutputs, class T>
HWY_INLINE void product_direct(const float* x, int64_t x_stride, const T* w, int64_t w_stride, int64_t k, int64_t first,
                               int64_t gap, int64_t outputs, int64_t ahead, float* out, int64_t out_stride) {
  constexpr int kSums = (kRows * kOutputs + kTileOutputs - 1) / kTileOutputs * kTileOutputs;
  const T* row[kOutputs];
  V sum[kSums];  // [kRows][kOutputs], and what it takes to sum up four at a time
#pragma GCC unroll 32
  for (int i = 0; i < kSums; ++i) {
    sum[i] = hn::Zero(DF());
  }
  for (int n = 0; n < kOutputs; ++n) {
    row[n] = w + HWY_MIN(first + n * gap, outputs - 1) * w_stride;
  }
  int64_t i = 0;
  for (; i + kLanes <= k; i += kLanes) {
    V weight[kOutputs];
    for (int n = 0; n < kOutputs; ++n) {
      weight[n] = load(row[n] + i);
      hwy::Prefetch(row[n] + i + ahead);
    }
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const auto features = load(x + r * x_stride + i);
#pragma GCC unroll 8
      for (int n = 0; n < kOutputs; ++n) {
        sum[r * kOutputs + n] = hn::MulAdd(features, weight[n], sum[r * kOutputs + n]);
      }
    }
  }
  if (i < k) {
    for (int n = 0; n < kOutputs; ++n) {
      const auto weight = load_part(row[n] + i, k - i);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        sum[r * kOutputs + n] = hn::MulAdd(load(x + r * x_stride + i), weight, sum[r * kOutputs + n]);
      }
    }
  }
  float results[kSums];
#pragma GCC unroll 8
  for (int j = 0; j < kSums; j += kTileOutputs) {
    sums(sum[j], sum[j + 1], sum[j + 2], sum[j + 3], results + j);
  }
  for (int r = 0; r < kRows; ++r) {
    for (int n = 0; n < kOutputs && first + n * gap < outputs; ++n) {
      out[r * out_stride + first + n * gap] = results[r * kOutputs + n];
    }
  }
}

/// Up to four rows of w as float32 in the order `product_tile` reads: [padded(k) / kLanes][4][kLanes].
template <class T>
HWY_INLINE void widen_tile(const T* w, int64_t w_stride, int64_t k, int64_t outputs, float* tile) {
  for (int n = 0; n < kTileOutputs; ++n) {
    const T* row = w + HWY_MIN(n, outputs - 1) * w_stride;
    float* to = tile + n * kLanes;
    int64_t i = 0;
    for (; i + kLanes <= k; i += kLanes, to += kTileOutputs * kLanes) {
      hn::Store(load(row + i), DF(), to);
    }
    if (i < k) {
      hn::Store(load_part(row + i, k - i), DF(), to);
    }
  }
}

/// A product of kRows rows of x with a tile of `k` features. The accumulators begin as `carry` has them unless it is
/// the first part of the features, and end there unless it is the last. Meanwhile the row at `ahead` is fetched.
template <int kRows>
HWY_INLINE void product_tile(const float* x, int64_t x_stride, const float* tile, int64_t k, bool first, bool last,
                             float* carry, int64_t outputs, float* out, int64_t out_stride, const float* ahead) {
  V sum[kRows][kTileOutputs];
  for (int r = 0; r < kRows; ++r) {
    for (int n = 0; n < kTileOutputs; ++n) {
      sum[r][n] = first ? hn::Zero(DF()) : hn::Load(DF(), carry + (r * kTileOutputs + n) * kLanes);
    }
  }
  for (int64_t i = 0; i < k; i += kLanes) {
    hwy::Prefetch(ahead + i);
    V row[kRows];
    for (int r = 0; r < kRows; ++r) {
      row[r] = load(x + r * x_stride + i);
    }
    for (int n = 0; n < kTileOutputs; ++n) {
      const auto weight = hn::Load(DF(), tile + n * kLanes);
      for (int r = 0; r < kRows; ++r) {
        sum[r][n] = hn::MulAdd(row[r], weight, sum[r][n]);
      }
    }
    tile += kTileOutputs * kLanes;
  }
  for (int r = 0; r < kRows; ++r) {
    if (last) {
      store_sums(sum[r], out + r * out_stride, outputs);
      continue;
    }
    for (int n = 0; n < kTileOutputs; ++n) {
      hn::Store(sum[r][n], DF(), carry + (r * kTileOutputs + n) * kLanes);
    }
  }
}

/// Calls f with the constant `rows`, 1 <= rows <= kBlockRows.
template <int kRows = kBlockRows, class F>
HWY_INLINE void with_rows(int64_t rows, F&& f) {
  if constexpr (kRows > 1) {
    if (rows < kRows) {
      return with_rows<kRows - 1>(rows, f);
    }
  }
  f(std::integral_constant<int, kRows>());
}

/// Floats of scratch that `product` needs for so many rows and features.
HWY_INLINE int64_t product_scratch(int64_t rows, int64_t k) {
  return k <= kWholeFeatures ? kTileOutputs * padded(k)
                             : kWideOutputs * (kPartFeatures + round_up(rows, kBlockRows) * kLanes);
}

/// `product` for more rows than registers hold.
template <class T>
HWY_INLINE void product_tiled(const float* x, int64_t rows, int64_t x_stride, const T* w, int64_t w_stride, int64_t k,
                              int64_t outputs, float* out, int64_t out_stride, float* scratch) {
  const bool whole = k <= kWholeFeatures;
  const auto wide = whole ? kTileOutputs : kWideOutputs;
  const auto parts = whole ? 1 : (k + kPartFeatures - 1) / kPartFeatures;
  const auto length = whole ? padded(k) : padded((k + parts - 1) / parts);  // padded: kPartFeatures is whole vectors
  float* carries = scratch + wide * length;
  for (int64_t n = 0; n < outputs; n += wide) {
    for (int64_t at = 0; at < k; at += length) {
      const auto features = HWY_MIN(length, k - at);
      for (int64_t i = 0; i < wide && n + i < outputs; i += kTileOutputs) {
        widen_tile(w + (n + i) * w_stride + at, w_stride, features, outputs - n - i, scratch + i * length);
      }
      for (int64_t r = 0; r < rows; r += kBlockRows) {
        for (int64_t i = 0; i < wide && n + i < outputs; i += kTileOutputs) {
          // Pieces of rows are too short to be fetched ahead by the processor itself: each tile sees to one of the
          // next.
          const float* ahead = x + HWY_MIN(r + kBlockRows + i / kTileOutputs, rows - 1) * x_stride + at;
          with_rows(HWY_MIN(rows - r, kBlockRows), [&](auto constant) HWY_ATTR {
            product_tile<constant()>(x + r * x_stride + at, x_stride, scratch + i * length, features, at == 0,
                                     at + length >= k, carries + (r * wide + i * kBlockRows) * kLanes, outputs - n - i,
                                     out + r * out_stride + n + i, out_stride, ahead);
          });
        }
      }
    }
  }
}

/// out[r][n] = x[r] · w[n] for r < rows and n < outputs. The rows of x hold whole vectors, zeros beyond k. `scratch` is
/// product_scratch(rows, k) floats, aligned.
template <class T>
HWY_INLINE void product(const float* x, int64_t rows, int64_t x_stride, const T* w, int64_t w_stride, int64_t k,
                        int64_t outputs, float* out, int64_t out_stride, float* scratch) {
  if (rows > kDirectRows) {
    product_tiled(x, rows, x_stride, w, w_stride, k, outputs, out, out_stride, scratch);
    return;
  }
  // The rows of weights are read as a few long streams, which the processor fetches ahead, a little farther than it
  // does by itself; a single one would not keep the arithmetic busy, and rows side by side are too short to be seen as
  // streams.
  constexpr auto kAhead = kFetchedAhead / static_cast<int64_t>(sizeof(T));
  with_rows<kDirectRows>(rows, [&](auto constant) HWY_ATTR {
    constexpr int kOutputs = direct_outputs(constant());
    const auto length = (outputs + kOutputs - 1) / kOutputs;
    for (int64_t n = 0; n < length; ++n) {
      product_direct<constant(), kOutputs>(x, x_stride, w, w_stride, k, n, length, outputs, kAhead, out, out_stride);
    }
  });
}

}  // namespace
}  // namespace dstorch::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
