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

#include "ops/cpu/vec-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dstorch::ops::cpu::HWY_NAMESPACE {
namespace {

/// Rows of x that a kernel holds against four outputs: as many as the registers take.
#if HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_AVX2
constexpr int kBlockRows = 3;
#elif HWY_TARGET == HWY_EMU128 || HWY_TARGET == HWY_SCALAR
constexpr int kBlockRows = 2;
#else
constexpr int kBlockRows = 6;
#endif
constexpr int kTileOutputs = 4;

/// How far ahead of a weight row's reader the memory is asked for it, in bytes.
constexpr int64_t kPrefetchBytes = 2048;

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

/// A product of kRows rows of x (vectors whole, zeros beyond k) with kOutputs rows of w as they lie in memory.
/// Only `outputs` results a row are stored; w holds no more rows than that.
template <int kRows, int kOutputs, class T>
HWY_INLINE void product_direct(const float* x, int64_t x_stride, const T* w, int64_t w_stride, int64_t k,
                               int64_t outputs, float* out, int64_t out_stride) {
  const T* row[kOutputs];
  V sum[kRows][kOutputs];
  for (int n = 0; n < kOutputs; ++n) {
    row[n] = w + HWY_MIN(n, outputs - 1) * w_stride;
    for (int r = 0; r < kRows; ++r) {
      sum[r][n] = hn::Zero(DF());
    }
  }
  int64_t i = 0;
  for (; i + kLanes <= k; i += kLanes) {
    for (int n = 0; n < kOutputs; ++n) {
      const auto weight = load(row[n] + i);
      for (int r = 0; r < kRows; ++r) {
        sum[r][n] = hn::MulAdd(load(x + r * x_stride + i), weight, sum[r][n]);
      }
    }
  }
  if (i < k) {
    for (int n = 0; n < kOutputs; ++n) {
      const auto weight = load_part(row[n] + i, k - i);
      for (int r = 0; r < kRows; ++r) {
        sum[r][n] = hn::MulAdd(load(x + r * x_stride + i), weight, sum[r][n]);
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int n = 0; n < kOutputs && n < outputs; n += kTileOutputs) {
      store_sums(&sum[r][n], out + r * out_stride + n, outputs - n);
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

/// A product of kRows rows of x with a tile.
template <int kRows>
HWY_INLINE void product_tile(const float* x, int64_t x_stride, const float* tile, int64_t k, int64_t outputs,
                             float* out, int64_t out_stride) {
  V sum[kRows][kTileOutputs];
  for (int r = 0; r < kRows; ++r) {
    for (int n = 0; n < kTileOutputs; ++n) {
      sum[r][n] = hn::Zero(DF());
    }
  }
  for (int64_t i = 0; i < k; i += kLanes) {
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
    store_sums(sum[r], out + r * out_stride, outputs);
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

/// out[r][n] = x[r] · w[n] for r < rows and n < outputs. The rows of x hold whole vectors, zeros beyond k. `tile` is
/// scratch of 4 * padded(k) floats, aligned.
template <class T>
HWY_INLINE void product(const float* x, int64_t rows, int64_t x_stride, const T* w, int64_t w_stride, int64_t k,
                        int64_t outputs, float* out, int64_t out_stride, float* tile) {
  if (rows == 1) {
    constexpr int kAtOnce = 8;
    for (int64_t n = 0; n < outputs; n += kAtOnce) {
      product_direct<1, kAtOnce>(x, x_stride, w + n * w_stride, w_stride, k, outputs - n, out + n, out_stride);
    }
    return;
  }
  for (int64_t n = 0; n < outputs; n += kTileOutputs) {
    const T* weights = w + n * w_stride;
    const int64_t count = HWY_MIN(outputs - n, kTileOutputs);
    if (rows <= kBlockRows) {
      with_rows(rows, [&](auto constant) HWY_ATTR {
        product_direct<constant(), kTileOutputs>(x, x_stride, weights, w_stride, k, count, out + n, out_stride);
      });
      continue;
    }
    widen_tile(weights, w_stride, k, count, tile);
    for (int64_t r = 0; r < rows; r += kBlockRows) {
      with_rows(HWY_MIN(rows - r, kBlockRows), [&](auto constant) HWY_ATTR {
        product_tile<constant()>(x + r * x_stride, x_stride, tile, k, count, out + r * out_stride + n, out_stride);
      });
    }
  }
}

}  // namespace
}  // namespace dstorch::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
