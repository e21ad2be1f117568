// Norms of one row. Included once per target.
#if defined(DSTORCH_OPS_CPU_NORM_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef DSTORCH_OPS_CPU_NORM_INL_H
#undef DSTORCH_OPS_CPU_NORM_INL_H
#else
#define DSTORCH_OPS_CPU_NORM_INL_H
#endif

#include <cmath>

#include "ops/cpu/vec-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dstorch::ops::cpu::HWY_NAMESPACE {
namespace {

/// Sum over i of f(x[i]), the places beyond `count` left out.
template <class F>
HWY_INLINE float sum_over(const float* x, int64_t count, F&& f) {
  auto even = hn::Zero(DF());
  auto odd = even;
  int64_t i = 0;
  for (; i + 2 * kLanes <= count; i += 2 * kLanes) {
    even = hn::Add(even, f(load(x + i)));
    odd = hn::Add(odd, f(load(x + i + kLanes)));
  }
  if (i + kLanes <= count) {
    even = hn::Add(even, f(load(x + i)));
    i += kLanes;
  }
  if (i < count) {
    const auto last = f(load_part(x + i, count - i));
    odd = hn::Add(odd, hn::IfThenElseZero(hn::FirstN(DF(), static_cast<size_t>(count - i)), last));
  }
  return sum(hn::Add(even, odd));
}

/// out = norm(x) over `count` features, or x itself without a norm; then zeros up to whole vectors where `pad` is set.
/// `out` may be x.
HWY_INLINE void norm_row(const Norm& norm, const float* x, float* out, int64_t count, bool pad) {
  float mean = 0;
  float scale = 1;
  if (norm.kind == NormKind::rms) {
    const auto squares = sum_over(x, count, [](V v) HWY_ATTR { return hn::Mul(v, v); });
    scale = 1.0f / std::sqrt(squares / static_cast<float>(count) + norm.eps);
  } else if (norm.kind == NormKind::layer) {
    mean = sum_over(x, count, [](V v) HWY_ATTR { return v; }) / static_cast<float>(count);
    const auto center = hn::Set(DF(), mean);
    const auto squares = sum_over(x, count, [&](V v) HWY_ATTR {
      const auto distance = hn::Sub(v, center);
      return hn::Mul(distance, distance);
    });
    scale = 1.0f / std::sqrt(squares / static_cast<float>(count) + norm.eps);
  }
  for (int64_t i = 0; i < count; i += kLanes) {
    const auto width = HWY_MIN(kLanes, count - i);
    auto v = width == kLanes ? load(x + i) : load_part(x + i, width);
    if (norm.kind != NormKind::none) {
      v = hn::Mul(hn::Sub(v, hn::Set(DF(), mean)), hn::Set(DF(), scale));
      if (norm.weight.data != nullptr) {
        v = hn::Mul(v, hn::Add(load_any(norm.weight, i, width), hn::Set(DF(), norm.offset)));
      }
      if (norm.bias.data != nullptr) {
        v = hn::Add(v, load_any(norm.bias, i, width));
      }
      v = width == kLanes ? v : hn::IfThenElseZero(hn::FirstN(DF(), static_cast<size_t>(width)), v);
    }
    store_part(v, out + i, pad ? kLanes : width);
  }
}

}  // namespace
}  // namespace dstorch::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
