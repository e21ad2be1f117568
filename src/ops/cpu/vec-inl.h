// Vectors of float32 of the instruction set being compiled: loads that widen, sums, functions. Included once per
// target.
#if defined(DSTORCH_OPS_CPU_VEC_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef DSTORCH_OPS_CPU_VEC_INL_H
#undef DSTORCH_OPS_CPU_VEC_INL_H
#else
#define DSTORCH_OPS_CPU_VEC_INL_H
#endif

#include <hwy/highway.h>

#include <cstdint>
#include <cstring>

#include "ops/cpu/half.h"
#include "ops/cpu/types.h"

HWY_BEFORE_NAMESPACE();
namespace dstorch::ops::cpu::HWY_NAMESPACE {
namespace {  // NOLINT: every including file has its own copy per target

namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::ScalableTag<float>;
using DU32 = hn::RebindToUnsigned<DF>;
using DU16 = hn::Rebind<uint16_t, DF>;
using V = hn::Vec<DF>;
inline constexpr int64_t kLanes = static_cast<int64_t>(hn::MaxLanes(DF()));

/// Whether these kernels may meet bfloat16 with bfloat16 (bf16_product.h): those of AVX-512.
inline constexpr bool kMayRound = HWY_ARCH_X86_64 && kLanes == 16;

HWY_INLINE int64_t round_up(int64_t count, int64_t unit) { return (count + unit - 1) / unit * unit; }
/// `count` rounded up to whole vectors.
HWY_INLINE int64_t padded(int64_t count) { return round_up(count, kLanes); }

/// kLanes elements as float32.
HWY_INLINE V load(const float* p) { return hn::LoadU(DF(), p); }

HWY_INLINE V load(const Bf16* p) {
  const auto bits = hn::LoadU(DU16(), reinterpret_cast<const uint16_t*>(p));
  return hn::BitCast(DF(), hn::ShiftLeft<16>(hn::PromoteTo(DU32(), bits)));
}

HWY_INLINE V load(const F16* p) {
#if (HWY_ARCH_X86 && HWY_TARGET > HWY_AVX2) || HWY_TARGET == HWY_EMU128 || HWY_TARGET == HWY_SCALAR
  // No conversion instruction, and not every version of Highway's stand-in knows infinity. The exponent is rebiased by
  // a product, which gets subnormals right too.
  const auto bits = hn::PromoteTo(DU32(), hn::LoadU(DU16(), reinterpret_cast<const uint16_t*>(p)));
  const auto magnitude = hn::And(bits, hn::Set(DU32(), 0x7fffu));
  const auto sign = hn::ShiftLeft<16>(hn::And(bits, hn::Set(DU32(), 0x8000u)));
  const auto scaled = hn::Mul(hn::BitCast(DF(), hn::ShiftLeft<13>(magnitude)), hn::Set(DF(), 0x1p112f));
  const auto special = hn::Ge(hn::ConvertTo(DF(), hn::BitCast(hn::RebindToSigned<DF>(), magnitude)),
                              hn::Set(DF(), static_cast<float>(0x7c00)));
  const auto infinite = hn::IfThenElseZero(special, hn::BitCast(DF(), hn::Set(DU32(), 0x7f800000u)));
  return hn::Or(hn::Or(scaled, infinite), hn::BitCast(DF(), sign));
#else
  const hn::Rebind<hwy::float16_t, DF> df16;
  return hn::PromoteTo(DF(), hn::LoadU(df16, reinterpret_cast<const hwy::float16_t*>(p)));
#endif
}

/// In units of their row's scale.
HWY_INLINE V load(const Q8* p) {
  const hn::RebindToSigned<DF> d32;
  const hn::Rebind<int8_t, DF> d8;
  return hn::ConvertTo(DF(), hn::PromoteTo(d32, hn::LoadU(d8, reinterpret_cast<const int8_t*>(p))));
}

/// `count` < kLanes elements as float32, then zeros; reads nothing beyond them.
template <class T>
HWY_INLINE V load_part(const T* p, int64_t count) {
  T whole[kLanes] = {};
  std::memcpy(whole, p, static_cast<size_t>(count) * sizeof(T));
  return load(whole);
}

template <class T>
HWY_INLINE V load_upto(const void* data, int64_t at, int64_t count) {
  const auto* p = static_cast<const T*>(data) + at;
  return count >= kLanes ? load(p) : load_part(p, count);
}

/// `count` <= kLanes elements, from place `at`, of any of the three types. (No helper from outside this namespace may
/// hand vectors on: it would be compiled for another instruction set.)
HWY_INLINE V load_any(const Vector& vector, int64_t at, int64_t count) {
  switch (vector.dtype) {
    case DType::bfloat16:
      return load_upto<Bf16>(vector.data, at, count);
    case DType::float16:
      return load_upto<F16>(vector.data, at, count);
    default:
      return load_upto<float>(vector.data, at, count);
  }
}

HWY_INLINE void store_part(V v, float* p, int64_t count) {
  if (count >= kLanes) {
    hn::StoreU(v, DF(), p);
  } else {
    float whole[kLanes];
    hn::StoreU(v, DF(), whole);
    std::memcpy(p, whole, static_cast<size_t>(count) * sizeof(float));
  }
}

#if HWY_TARGET == HWY_SCALAR
HWY_INLINE void sums(V a, V b, V c, V e, float* out) {
  out[0] = hn::GetLane(a);
  out[1] = hn::GetLane(b);
  out[2] = hn::GetLane(c);
  out[3] = hn::GetLane(e);
}
#else
template <class D>
HWY_INLINE void store_block_sum(D d, hn::Vec<D> v, float* out) {
  if constexpr (hn::MaxLanes(d) <= 4) {
    hn::StoreU(v, d, out);
  } else {
    const hn::Half<D> half;
    store_block_sum(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)), out);
  }
}

/// out[0 .. 4) = the sums of the lanes of the four vectors. What is added to what is the same for each of the four.
HWY_INLINE void sums(V a, V b, V c, V e, float* out) {
  const DF d;
  const hn::RepartitionToWide<DU32> d64;
  const auto ab = hn::Add(hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b));
  const auto ce = hn::Add(hn::InterleaveLower(d, c, e), hn::InterleaveUpper(d, c, e));
  const auto low = hn::InterleaveLower(d64, hn::BitCast(d64, ab), hn::BitCast(d64, ce));
  const auto high = hn::InterleaveUpper(d64, hn::BitCast(d64, ab), hn::BitCast(d64, ce));
  store_block_sum(d, hn::Add(hn::BitCast(d, low), hn::BitCast(d, high)), out);
}
#endif

HWY_INLINE float sum(V v) { return hn::GetLane(hn::SumOfLanes(DF(), v)); }

/// e^x to 2 ulp for x <= 88.7 (infinity is not reached); 0 below -87.3; not a number stays so. By x = n ln 2 + r,
/// |r| <= ln 2 / 2, and the Taylor series of e^r.
HWY_INLINE V exp(V x) {
  const DF d;
  const hn::RebindToSigned<DF> di;
  const auto lowest = hn::Set(d, -87.3f);
  const auto clamped = hn::Min(hn::Max(x, lowest), hn::Set(d, 88.7f));
  const auto n = hn::Round(hn::Mul(clamped, hn::Set(d, 1.44269504f)));
  auto r = hn::NegMulAdd(n, hn::Set(d, 0.693359375f), clamped);  // exact: few bits in the constant
  r = hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4f), r);
  auto y = hn::Set(d, 1.0f / 5040);
  y = hn::MulAdd(y, r, hn::Set(d, 1.0f / 720));
  y = hn::MulAdd(y, r, hn::Set(d, 1.0f / 120));
  y = hn::MulAdd(y, r, hn::Set(d, 1.0f / 24));
  y = hn::MulAdd(y, r, hn::Set(d, 1.0f / 6));
  y = hn::MulAdd(y, r, hn::Set(d, 0.5f));
  y = hn::Add(hn::MulAdd(hn::Mul(r, r), y, r), hn::Set(d, 1.0f));
  // 2^n in two factors, as 2^128 is no float.
  const auto whole = hn::ConvertTo(di, n);
  const auto half = hn::ShiftRight<1>(whole);
  const auto power = [&](auto exponent)
                         HWY_ATTR { return hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(exponent, hn::Set(di, 127)))); };
  y = hn::Mul(hn::Mul(y, power(half)), power(hn::Sub(whole, half)));
  y = hn::IfThenZeroElse(hn::Lt(x, lowest), y);
  return hn::IfThenElse(hn::Eq(x, x), y, x);
}

}  // namespace
}  // namespace dstorch::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
