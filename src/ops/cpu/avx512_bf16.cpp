#include <hwy/base.h>
#include <hwy/cache_control.h>

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
/// Weights between what is multiplied and what is fetched meanwhile, where there are few rows.
constexpr int64_t kFetchedAhead = int64_t{2} << 10;

HWY_INLINE __m512bh load(const Bf16* p) { return reinterpret_cast<__m512bh>(_mm512_loadu_si512(p)); }

HWY_INLINE __mmask32 first_lanes(int64_t count) { return static_cast<__mmask32>((uint64_t{1} << count) - 1); }

/// Rows of x at one place of the features. A row's address is one of a few pointers and a multiple of the stride that
/// an instruction can add by itself: so many rows have their pointers in registers.
template <int kRows>
class RowPointers {
 public:
  RowPointers(const Bf16* x, int64_t x_stride) : stride_(x_stride) {
#pragma GCC unroll 8
    for (int i = 0; i < kBases; ++i) {
      base_[i] = x + i * kStep * x_stride;
#if defined(__GNUC__)
      asm("" : "+r"(base_[i]));  // or the compiler makes a pointer for each row of what it knows
#endif
    }
  }
  HWY_INLINE __m512bh row(int r) const { return load(base_[r / kStep] + r % kStep * stride_); }
  HWY_INLINE void move() {
#pragma GCC unroll 8
    for (int i = 0; i < kBases; ++i) {
      base_[i] += kBf16Lanes;
    }
  }

 private:
  static constexpr int kStep = 3;
  static constexpr int kBases = (kRows + kStep - 1) / kStep;
  const Bf16* base_[kBases];
  int64_t stride_;
};

/// sum[r * kOutputs + n] += x[r] * weight[n] for one vector of features.
template <int kRows, int kOutputs>
HWY_INLINE void add_products(const RowPointers<kRows>& x, const __m512bh* weight, __m512* sum) {
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    const auto row = x.row(r);
#pragma GCC unroll 8
    for (int n = 0; n < kOutputs; ++n) {
      sum[r * kOutputs + n] = _mm512_dpbf16_ps(sum[r * kOutputs + n], row, weight[n]);
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
/// `outputs`. Results go to the columns of these numbers. Meanwhile weights `ahead` elements further are fetched.
template <int kRows, int kOutputs>
HWY_INLINE void block(const Bf16* x, int64_t x_stride, const Bf16* w, int64_t w_stride, int64_t k, int64_t first,
                      int64_t gap, int64_t outputs, int64_t ahead, float* out, int64_t out_stride) {
  constexpr int kSums = (kRows * kOutputs + kTileOutputs - 1) / kTileOutputs * kTileOutputs;
  const Bf16* row[kOutputs];
  __m512 sum[kSums];  // [kRows][kOutputs], and what it takes to sum up four at a time
#pragma GCC unroll 32
  for (int i = 0; i < kSums; ++i) {
    sum[i] = _mm512_setzero_ps();
  }
#pragma GCC unroll 8
  for (int n = 0; n < kOutputs; ++n) {
    row[n] = w + HWY_MIN(first + n * gap, outputs - 1) * w_stride;
  }
  RowPointers<kRows> rows(x, x_stride);
  __m512bh weight[kOutputs];
  int64_t i = 0;
  for (; i + kBf16Lanes <= k; i += kBf16Lanes) {
#pragma GCC unroll 8
    for (int n = 0; n < kOutputs; ++n) {
      weight[n] = load(row[n] + i);
      hwy::Prefetch(row[n] + i + ahead);
    }
    add_products<kRows, kOutputs>(rows, weight, sum);
    rows.move();
  }
  if (i < k) {
    const auto mask = first_lanes(k - i);
#pragma GCC unroll 8
    for (int n = 0; n < kOutputs; ++n) {
      weight[n] = reinterpret_cast<__m512bh>(_mm512_maskz_loadu_epi16(mask, row[n] + i));
    }
    add_products<kRows, kOutputs>(rows, weight, sum);
  }
  float results[kSums];
#pragma GCC unroll 8
  for (int j = 0; j < kSums; j += kTileOutputs) {
    _mm_storeu_ps(results + j, lane_sums(sum + j));
  }
  for (int r = 0; r < kRows; ++r) {
    for (int n = 0; n < kOutputs && first + n * gap < outputs; ++n) {
      out[r * out_stride + first + n * gap] = results[r * kOutputs + n];
    }
  }
}

/// Outputs that so many rows are held against.
constexpr int outputs_beside(int rows) { return rows == 1 ? 8 : rows <= 6 ? 4 : rows <= 8 ? 3 : 2; }

/// All outputs for a number of rows that is known at run time only, at most kRows. As `streams`: the rows of weights
/// are read as a few long streams, which the processor fetches ahead better than rows side by side.
template <int kRows>
HWY_INLINE void few_rows(int64_t rows, const Bf16* x, int64_t x_stride, const Bf16* w, int64_t w_stride, int64_t k,
                         int64_t outputs, bool streams, int64_t ahead, float* out, int64_t out_stride) {
  if constexpr (kRows > 1) {
    if (rows < kRows) {
      return few_rows<kRows - 1>(rows, x, x_stride, w, w_stride, k, outputs, streams, ahead, out, out_stride);
    }
  }
  constexpr int kOutputs = outputs_beside(kRows);
  const auto blocks = (outputs + kOutputs - 1) / kOutputs;
  for (int64_t n = 0; n < blocks; ++n) {
    block<kRows, kOutputs>(x, x_stride, w, w_stride, k, streams ? n : n * kOutputs, streams ? blocks : 1, outputs,
                           ahead, out, out_stride);
  }
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
  if (rows <= kBf16FewRows) {
    few_rows<kBf16FewRows>(rows, x, x_stride, w, w_stride, k, outputs, true, kFetchedAhead, out, out_stride);
    return;
  }
  for (int64_t n = 0; n < outputs; n += kPanelOutputs) {
    const auto panel = HWY_MIN(kPanelOutputs, outputs - n);
    for (int64_t r = 0; r < rows; r += kBf16BlockRows) {
      // The first rows fetch the next panel.
      few_rows<kBf16BlockRows>(HWY_MIN(rows - r, kBf16BlockRows), x + r * x_stride, x_stride, w + n * w_stride,
                               w_stride, k, panel, false, r == 0 ? kPanelOutputs * w_stride : 0,
                               out + r * out_stride + n, out_stride);
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
