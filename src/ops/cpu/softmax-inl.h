// The parts of attention that concern one query and a tile of keys and values. Included once per target.
//
// A query's result is made of one partial result a tile: the greatest score m, the sum l of the weights e^(score - m),
// and the values mixed by these weights. Tiles begin at multiples of kTileKeys, whatever the query, and are merged in
// ascending order: so it does not matter which thread computes which tile, or with which other queries.
#if defined(DSTORCH_OPS_CPU_SOFTMAX_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef DSTORCH_OPS_CPU_SOFTMAX_INL_H
#undef DSTORCH_OPS_CPU_SOFTMAX_INL_H
#else
#define DSTORCH_OPS_CPU_SOFTMAX_INL_H
#endif

#include <limits>

#include "ops/cpu/scores-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dstorch::ops::cpu::HWY_NAMESPACE {
namespace {

/// Where a partial result keeps m and l: behind its mixed values.
HWY_INLINE int64_t partial_size(int64_t width) { return width + 2; }

/// How scores become the logarithms of weights: times `scale`, then held between -cap and cap where that is above 0.
struct ScoreRange {
  float scale;
  float cap;
};

/// To about 1e-7 of itself.
HWY_INLINE V tanh(V x) {
  const DF d;
  const auto one = hn::Set(d, 1.0f);
  const auto size = hn::Abs(x);
  // The series near 0, where the quotient below loses most of its digits.
  const auto square = hn::Mul(x, x);
  auto p = hn::Set(d, 0.0218694885f);
  p = hn::MulAdd(p, square, hn::Set(d, -0.0539682540f));
  p = hn::MulAdd(p, square, hn::Set(d, 0.133333333f));
  p = hn::MulAdd(p, square, hn::Set(d, -0.333333333f));
  const auto near = hn::MulAdd(hn::Mul(p, square), x, x);
  const auto power = exp(hn::Mul(size, hn::Set(d, -2.0f)));
  const auto far = hn::CopySign(hn::Div(hn::Sub(one, power), hn::Add(one, power)), x);
  return hn::IfThenElse(hn::Lt(size, hn::Set(d, 0.3f)), near, far);
}

/// Turns scores[begin .. end) of a tile into weights; the others of the kTileKeys places become 0.
HWY_INLINE void softmax(float* scores, int64_t begin, int64_t end, ScoreRange range, float& greatest, float& total) {
  const DF d;
  if (range.cap > 0) {
    for (int64_t j = 0; j < kTileKeys; j += kLanes) {
      const auto share = hn::Mul(load(scores + j), hn::Set(d, range.scale / range.cap));
      hn::StoreU(hn::Mul(tanh(share), hn::Set(d, range.cap)), d, scores + j);
    }
    range.scale = 1;
  }
  for (int64_t j = 0; j < begin; ++j) {
    scores[j] = -std::numeric_limits<float>::infinity();
  }
  for (int64_t j = end; j < kTileKeys; ++j) {
    scores[j] = -std::numeric_limits<float>::infinity();
  }
  const auto factor = hn::Set(d, range.scale);
  auto most = hn::Mul(load(scores), factor);
  for (int64_t j = kLanes; j < kTileKeys; j += kLanes) {
    most = hn::Max(most, hn::Mul(load(scores + j), factor));
  }
  most = hn::MaxOfLanes(d, most);
  auto all = hn::Zero(d);
  for (int64_t j = 0; j < kTileKeys; j += kLanes) {
    const auto weight = exp(hn::Sub(hn::Mul(load(scores + j), factor), most));
    all = hn::Add(all, weight);
    hn::StoreU(weight, d, scores + j);
  }
  greatest = hn::GetLane(most);
  total = sum(all);
}

/// out[r][d] = sum over j of weights[r][j] * values[j][d] for kRows queries and kVectors vectors of d, j ascending.
template <int kRows, int kVectors, class T>
HWY_INLINE void mix_vectors(const float* weights, int64_t begin, int64_t end, const T* values, int64_t stride,
                            float* const* out, int64_t at) {
  V sum[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int i = 0; i < kVectors; ++i) {
      sum[r][i] = hn::Zero(DF());
    }
  }
  for (int64_t j = begin; j < end; ++j) {
    V value[kVectors];
    for (int i = 0; i < kVectors; ++i) {
      value[i] = load(values + j * stride + at + i * kLanes);
    }
    for (int r = 0; r < kRows; ++r) {
      const auto weight = hn::Set(DF(), weights[r * kTileKeys + j]);
      for (int i = 0; i < kVectors; ++i) {
        sum[r][i] = hn::MulAdd(weight, value[i], sum[r][i]);
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int i = 0; i < kVectors; ++i) {
      hn::StoreU(sum[r][i], DF(), out[r] + at + i * kLanes);
    }
  }
}

/// The same for `rows` <= kBlockRows queries and all of the width, whole vectors. Values are `stride` apart.
template <class T>
HWY_INLINE void mix(const float* weights, int64_t rows, int64_t begin, int64_t end, const T* values, int64_t stride,
                    int64_t width, float* const* out) {
  constexpr int kVectors = 4;
  with_rows(rows, [&](auto constant) HWY_ATTR {
    int64_t at = 0;
    for (; at + kVectors * kLanes <= width; at += kVectors * kLanes) {
      mix_vectors<constant(), kVectors>(weights, begin, end, values, stride, out, at);
    }
    for (; at < width; at += kLanes) {
      mix_vectors<constant(), 1>(weights, begin, end, values, stride, out, at);
    }
  });
}

/// The partial results of `rows` <= kBlockRows queries whose scores for keys begin .. end of a tile are in `scores`
/// (then overwritten).
template <class T>
HWY_INLINE void partial_results(float* scores, int64_t rows, int64_t begin, int64_t end, ScoreRange range,
                                const T* values, int64_t stride, int64_t width, float* const* partials) {
  for (int64_t r = 0; r < rows; ++r) {
    softmax(scores + r * kTileKeys, begin, end, range, partials[r][width], partials[r][width + 1]);
  }
  mix(scores, rows, begin, end, values, stride, width, partials);
}

/// Adds a later tile's partial result to an earlier one.
HWY_INLINE void merge(float* total, const float* later, int64_t width) {
  const DF d;
  const auto m_total = hn::Set(d, total[width]);
  const auto m_later = hn::Set(d, later[width]);
  const auto most = hn::Max(m_total, m_later);
  const auto keep = exp(hn::Sub(m_total, most));
  const auto take = exp(hn::Sub(m_later, most));
  for (int64_t i = 0; i < width; i += kLanes) {
    hn::StoreU(hn::MulAdd(load(later + i), take, hn::Mul(load(total + i), keep)), d, total + i);
  }
  total[width] = hn::GetLane(most);
  const auto sum = hn::MulAdd(hn::Set(d, later[width + 1]), take, hn::Mul(hn::Set(d, total[width + 1]), keep));
  total[width + 1] = hn::GetLane(sum);
}

/// The mixed values divided by the sum of their weights.
HWY_INLINE void finish_result(const float* total, int64_t width, float* out, int64_t count) {
  const auto factor = hn::Set(DF(), 1.0f / total[width + 1]);
  for (int64_t i = 0; i < count; i += kLanes) {
    store_part(hn::Mul(load(total + i), factor), out + i, count - i);
  }
}

}  // namespace
}  // namespace dstorch::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
