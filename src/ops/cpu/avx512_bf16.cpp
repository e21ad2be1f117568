#include <hwy/base.h>

#include <atomic>

#include "ops/cpu/bf16_product.h"

#if HWY_ARCH_X86_64

// GCC 12 takes the undefined vectors of its own header for a mistake.
HWY_DIAGNOSTICS(push)
HWY_DIAGNOSTICS_OFF(disable : 4700, ignored "-Wmaybe-uninitialized")
#include <immintrin.h>
HWY_DIAGNOSTICS(pop)

HWY_PUSH_ATTRIBUTES("avx512f,avx512vl,avx512dq,avx512bw,avx512bf16")
namespace dstorch::ops::cpu {
namespace {

/// Outputs whose sums are reduced, and stored, together.
constexpr int kTileOutputs = 4;
/// Outputs that all rows meet before the next ones: their weights stay in the first-level cache.
constexpr int64_t kPanelOutputs = 16;
/// Rows of weights read side by side for a single row of x: long streams, which the processor fetches ahead.
constexpr int kOneRowStreams = 8;

HWY_INLINE __m512bh load(const Bf16* p) { return reinterpret_cast<__m512bh>(_mm512_loadu_si512(p)); }

HWY_INLINE __mmask32 first_lanes(int64_t count) { return static_cast<__mmask32>((uint64_t{1} << count) - 1); }

/// sum[r][n] += x[r] * weight[n] for one vector of features.
template <int kRows, int kOutputs>
HWY_INLINE void add_products(const Bf16* x, int64_t x_stride, const __m512bh* weight, __m512 (*sum)[kOutputs]) {
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    const auto row = load(x + r * x_stride);
#pragma GCC unroll 8
    for (int n = 0; n < kOutputs; ++n) {
      sum[r][n] = _mm512_dpbf16_ps(sum[r][n], row, weight[n]);
    }
  }
}

/// The sums of the lanes of each of four. What is added to what is the same for each.
HWY_INLINE __m128 lane_sums(const __m512* four) {
  const auto ab = _mm512_add_ps(_mm512_unpacklo_ps(four[0], four[1]), _mm512_unpackhi_ps(four[0], four[1]));
  const auto cd = _mm512_add_ps(_mm512_unpacklo_ps(four[2], four[3]), _mm512_unpackhi_ps(four[2], four[3]));
  const auto low = _mm512_unpacklo_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd));
  const auto high = _mm512_unpackhi_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd));
  const auto all = _mm512_add_ps(_mm512_castpd_ps(low), _mm512_castpd_ps(high));
  const auto half = _mm256_add_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));
  return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}

/// kRows rows of x with the rows first, first + gap, first + 2 * gap, ... of w, kOutputs of them or those below
/// `outputs`. Results go to the columns of these numbers.
template <int kRows, int kOutputs>
HWY_INLINE void block(const Bf16* x, int64_t x_stride, const Bf16* w, int64_t w_stride, int64_t k, int64_t first,
                      int64_t gap, int64_t outputs, float* out, int64_t out_stride) {
  const Bf16* row[kOutputs];
  __m512 sum[kRows][kOutputs];
#pragma GCC unroll 8
  for (int n = 0; n < kOutputs; ++n) {
    row[n] = w + HWY_MIN(first + n * gap, outputs - 1) * w_stride;
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      sum[r][n] = _mm512_setzero_ps();
    }
  }
  __m512bh weight[kOutputs];
  int64_t i = 0;
  for (; i + kBf16Lanes <= k; i += kBf16Lanes) {
#pragma GCC unroll 8
    for (int n = 0; n < kOutputs; ++n) {
      weight[n] = load(row[n] + i);
    }
    add_products<kRows, kOutputs>(x + i, x_stride, weight, sum);
  }
  if (i < k) {
    const auto mask = first_lanes(k - i);
#pragma GCC unroll 8
    for (int n = 0; n < kOutputs; ++n) {
      weight[n] = reinterpret_cast<__m512bh>(_mm512_maskz_loadu_epi16(mask, row[n] + i));
    }
    add_products<kRows, kOutputs>(x + i, x_stride, weight, sum);
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    float results[kOutputs];
#pragma GCC unroll 8
    for (int n = 0; n < kOutputs; n += kTileOutputs) {
      _mm_storeu_ps(results + n, lane_sums(sum[r] + n));
    }
    if (gap == 1 && first + kOutputs <= outputs) {
      __builtin_memcpy(out + r * out_stride + first, results, sizeof(results));
      continue;
    }
    for (int n = 0; n < kOutputs && first + n * gap < outputs; ++n) {
      out[r * out_stride + first + n * gap] = results[n];
    }
  }
}

/// `block` for a number of rows that is known at run time only, at most kRows.
template <int kRows = kBf16BlockRows>
HWY_INLINE void tile(int64_t rows, const Bf16* x, int64_t x_stride, const Bf16* w, int64_t w_stride, int64_t k,
                     int64_t first, int64_t gap, int64_t outputs, float* out, int64_t out_stride) {
  if constexpr (kRows > 1) {
    if (rows < kRows) {
      return tile<kRows - 1>(rows, x, x_stride, w, w_stride, k, first, gap, outputs, out, out_stride);
    }
  }
  block<kRows, kTileOutputs>(x, x_stride, w, w_stride, k, first, gap, outputs, out, out_stride);
}

/// `bf16_scores` of kRows queries.
template <int kRows>
HWY_INLINE void score_rows(const Bf16* queries, int64_t stride, const Bf16* tile, int64_t pairs, float* scores) {
  constexpr int kFloats = 16;  // of a vector
  constexpr int kVectors = kTileKeys / kFloats;
  __m512 sum[kRows][kVectors];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int i = 0; i < kVectors; ++i) {
      sum[r][i] = _mm512_setzero_ps();
    }
  }
  for (int64_t p = 0; p < pairs; ++p) {
    __m512bh keys[kVectors];
#pragma GCC unroll 8
    for (int i = 0; i < kVectors; ++i) {
      keys[i] = load(tile + p * 2 * kTileKeys + i * kBf16Lanes);
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      int32_t pair;
      __builtin_memcpy(&pair, queries + r * stride + 2 * p, sizeof(pair));
      const auto query = reinterpret_cast<__m512bh>(_mm512_set1_epi32(pair));
#pragma GCC unroll 8
      for (int i = 0; i < kVectors; ++i) {
        sum[r][i] = _mm512_dpbf16_ps(sum[r][i], query, keys[i]);
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int i = 0; i < kVectors; ++i) {
      _mm512_storeu_ps(scores + r * kTileKeys + i * kFloats, sum[r][i]);
    }
  }
}

/// `score_rows` for a number of rows that is known at run time only, at most kRows.
template <int kRows = kBf16BlockRows>
HWY_INLINE void score_block(int64_t rows, const Bf16* queries, int64_t stride, const Bf16* tile, int64_t pairs,
                            float* scores) {
  if constexpr (kRows > 1) {
    if (rows < kRows) {
      return score_block<kRows - 1>(rows, queries, stride, tile, pairs, scores);
    }
  }
  score_rows<kRows>(queries, stride, tile, pairs, scores);
}

}  // namespace

void round_row(const float* from, int64_t count, Bf16* to) {
  for (int64_t i = 0; i < count; i += kBf16Lanes) {
    const auto mask = first_lanes(HWY_MIN(kBf16Lanes, count - i));
    const auto low = _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), from + i);
    const auto high = _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask >> 16), from + i + kBf16Lanes / 2);
    _mm512_storeu_si512(to + i, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low)));
  }
}

void bf16_product(const Bf16* x, int64_t rows, int64_t x_stride, const Bf16* w, int64_t w_stride, int64_t k,
                  int64_t outputs, float* out, int64_t out_stride) {
  if (rows <= kBf16BlockRows) {
    const auto length = (outputs + kOneRowStreams - 1) / kOneRowStreams;
    const auto pairs = (outputs + kTileOutputs - 1) / kTileOutputs;
    for (int64_t n = 0; rows == 1 && n < length; ++n) {
      block<1, kOneRowStreams>(x, x_stride, w, w_stride, k, n, length, outputs, out, out_stride);
    }
    for (int64_t n = 0; rows > 1 && n < pairs; ++n) {
      tile(rows, x, x_stride, w, w_stride, k, n, pairs, outputs, out, out_stride);
    }
    return;
  }
  for (int64_t panel = 0; panel < outputs; panel += kPanelOutputs) {
    const auto end = HWY_MIN(panel + kPanelOutputs, outputs);
    for (int64_t r = 0; r < rows; r += kBf16BlockRows) {
      for (int64_t n = panel; n < end; n += kTileOutputs) {
        tile(HWY_MIN(rows - r, kBf16BlockRows), x + r * x_stride, x_stride, w, w_stride, k, n, 1, outputs,
             out + r * out_stride, out_stride);
      }
    }
  }
}

void bf16_scores(const Bf16* queries, int64_t rows, int64_t stride, const Bf16* tile, int64_t pairs, float* scores) {
  for (int64_t r = 0; r < rows; r += kBf16BlockRows) {
    score_block(HWY_MIN(rows - r, kBf16BlockRows), queries + r * stride, stride, tile, pairs, scores + r * kTileKeys);
  }
}

}  // namespace dstorch::ops::cpu
HWY_POP_ATTRIBUTES

#endif

namespace dstorch::ops::cpu {
namespace {

std::atomic<bool> allowed{true};

bool processor_has_it() {
#if HWY_ARCH_X86_64
  static const bool has = __builtin_cpu_supports("avx512bf16") != 0;
  return has;
#else
  return false;
#endif
}

}  // namespace

bool bf16_products() noexcept { return allowed.load(std::memory_order_relaxed) && processor_has_it(); }

void allow_bf16_products(bool on) noexcept { allowed.store(on, std::memory_order_relaxed); }

}  // namespace dstorch::ops::cpu
