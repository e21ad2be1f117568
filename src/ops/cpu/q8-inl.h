// Rows of 8-bit numbers with a scale: how pages of the format "q8" keep keys and values. Included once per target.
//
// A row's scale is the least of these that let its greatest number be 127: bfloat16, a little above the quotient, so
// that nothing is cut off. It is made of the row alone, whatever else is in the page and whenever it came.
#if defined(DSTORCH_OPS_CPU_Q8_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef DSTORCH_OPS_CPU_Q8_INL_H
#undef DSTORCH_OPS_CPU_Q8_INL_H
#else
#define DSTORCH_OPS_CPU_Q8_INL_H
#endif

#include <cstring>

#include "ops/cpu/q8.h"
#include "ops/cpu/vec-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dstorch::ops::cpu::HWY_NAMESPACE {
namespace {

/// The scale behind a row of `count` numbers.
HWY_INLINE float q8_scale(const Q8* row, int64_t count) {
  Bf16 scale;
  std::memcpy(&scale, row + count, sizeof(scale));
  return to_float(scale);
}

/// Stores `count` numbers and their scale. A row that is not finite reads as not a number.
HWY_INLINE void store_q8(const float* from, int64_t count, Q8* to) {
  const DF d;
  auto greatest = hn::Zero(d);
  auto nothing = hn::Zero(d);  // not a number where one of the row is not finite
  for (int64_t i = 0; i < count; i += kLanes) {
    const auto size = hn::Abs(load_upto<float>(from, i, count - i));
    greatest = hn::Max(greatest, size);
    nothing = hn::MulAdd(size, hn::Zero(d), nothing);
  }
  const auto most = hn::GetLane(hn::MaxOfLanes(d, greatest));
  const auto stored = from_float<Bf16>((most + sum(nothing)) * kQ8ScaleOfGreatest);
  const auto scale = to_float(stored);
  const hn::RebindToSigned<DF> d32;
  const hn::Rebind<int8_t, DF> d8;
  for (int64_t i = 0; i < count; i += kLanes) {
    auto units = hn::Zero(d);
    if (scale > 0) {
      units = hn::Round(hn::Div(load_upto<float>(from, i, count - i), hn::Set(d, scale)));
      units = hn::Min(hn::Max(units, hn::Set(d, -kQ8Most)), hn::Set(d, kQ8Most));
    }
    Q8 some[kLanes];
    hn::StoreU(hn::DemoteTo(d8, hn::ConvertTo(d32, units)), d8, reinterpret_cast<int8_t*>(some));
    std::memcpy(to + i, some, static_cast<size_t>(HWY_MIN(count - i, kLanes)));
  }
  std::memcpy(to + count, &stored, sizeof(stored));
}

#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX3
/// `pairs` pairs of numbers, at most kLanes of them, as bfloat16 in units of the scale, which holds them exactly; then
/// zeros.
HWY_INLINE V load_bf16_pairs(const Q8* from, int64_t pairs) {
  Q8 whole[2 * kLanes];
  if (pairs < kLanes) {
    std::memset(whole, 0, sizeof(whole));
    std::memcpy(whole, from, static_cast<size_t>(2 * pairs));
    from = whole;
  }
  const auto high_half = [](V numbers) HWY_ATTR { return hn::ShiftRight<16>(hn::BitCast(DU32(), numbers)); };
  // Of two neighbours the first is the low half.
  const hn::RebindToSigned<DF> d32;
  const hn::Repartition<int16_t, DF> d16;
  const hn::Rebind<int8_t, decltype(d16)> d8;
  const auto wide = hn::BitCast(d32, hn::PromoteTo(d16, hn::LoadU(d8, reinterpret_cast<const int8_t*>(from))));
  const auto first = hn::ConvertTo(DF(), hn::ShiftRight<16>(hn::ShiftLeft<16>(wide)));
  const auto second = hn::BitCast(DU32(), hn::ConvertTo(DF(), hn::ShiftRight<16>(wide)));
  return hn::BitCast(DF(), hn::Or(high_half(first), second));
}
#endif

}  // namespace
}  // namespace dstorch::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
