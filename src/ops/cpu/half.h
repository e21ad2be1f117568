#pragma once

#include <bit>
#include <cstdint>

#include "dstorch/dtype.h"

namespace dstorch::ops::cpu {

/// Storage of a bfloat16 and of an IEEE binary16 number.
struct Bf16 {
  uint16_t bits;
};
struct F16 {
  uint16_t bits;
};
/// A number in units of the scale of its row.
struct Q8 {
  int8_t units;
};

inline float to_float(float value) { return value; }

inline float to_float(Bf16 value) { return std::bit_cast<float>(uint32_t{value.bits} << 16); }

inline float to_float(F16 value) {
  const uint32_t magnitude = value.bits & 0x7fffu;
  const uint32_t sign = (value.bits & 0x8000u) << 16;
  if (magnitude >= 0x7c00u) {  // infinity or not a number
    return std::bit_cast<float>(sign | 0x7f800000u | magnitude << 13);
  }
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude << 13) * 0x1p112f));
}

/// Rounds to the nearest, ties to even, as PyTorch does.
template <class T>
T from_float(float value);

template <>
inline float from_float<float>(float value) {
  return value;
}

template <>
inline Bf16 from_float<Bf16>(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) {
    return {static_cast<uint16_t>(bits >> 16 | 0x40u)};  // stays not a number, though its low bits fall away
  }
  return {static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16)};
}

template <>
inline F16 from_float<F16>(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000u);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) {
    return {static_cast<uint16_t>(sign | 0x7e00u)};
  }
  if (magnitude >= 0x477ff000u) {  // 65520 and above round to infinity
    return {static_cast<uint16_t>(sign | 0x7c00u)};
  }
  if (magnitude < 0x38800000u) {  // subnormal: adding 0.5 leaves the rounded multiple of 2^-24 in the low bits
    const auto shifted = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f);
    return {static_cast<uint16_t>(sign | (shifted - 0x3f000000u))};
  }
  const uint32_t rounded = magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1u);
  return {static_cast<uint16_t>(sign | rounded >> 13)};
}

/// Calls f with a null pointer of the C++ type that stores `dtype`, one of float32, bfloat16 and float16.
template <class F>
decltype(auto) with_element(DType dtype, F&& f) {
  switch (dtype) {
    case DType::bfloat16:
      return f(static_cast<const Bf16*>(nullptr));
    case DType::float16:
      return f(static_cast<const F16*>(nullptr));
    default:
      return f(static_cast<const float*>(nullptr));
  }
}

}  // namespace dstorch::ops::cpu
