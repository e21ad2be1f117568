// Rotation of one head by its position's angles. Included once per target.
#if defined(DSTORCH_OPS_CPU_ROPE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef DSTORCH_OPS_CPU_ROPE_INL_H
#undef DSTORCH_OPS_CPU_ROPE_INL_H
#else
#define DSTORCH_OPS_CPU_ROPE_INL_H
#endif

#include "ops/cpu/vec-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dstorch::ops::cpu::HWY_NAMESPACE {
namespace {

/// Turns each pair (head[i], head[i + half]) by the angle of i, in place.
HWY_INLINE void rotate(float* head, const float* cos, const float* sin, int64_t half) {
  for (int64_t i = 0; i < half; i += kLanes) {
    const auto width = HWY_MIN(kLanes, half - i);
    const auto low = load_upto<float>(head, i, width);
    const auto high = load_upto<float>(head, half + i, width);
    const auto c = load_upto<float>(cos, i, width);
    const auto s = load_upto<float>(sin, i, width);
    store_part(hn::NegMulAdd(high, s, hn::Mul(low, c)), head + i, width);
    store_part(hn::MulAdd(low, s, hn::Mul(high, c)), head + half + i, width);
  }
}

}  // namespace
}  // namespace dstorch::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
