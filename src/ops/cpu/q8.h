#pragma once

/// What the kernels and the composed form of the format "q8" must agree on, to the bit.
namespace dstorch::ops::cpu {

/// The greatest number of a row, in units of its scale.
inline constexpr float kQ8Most = 127;
/// What a row's greatest number is multiplied with for its scale. Half a step of bfloat16 above 1 / 127, so that the
/// rounded scale is never less than that.
inline constexpr float kQ8ScaleOfGreatest = (1 + 0x1p-8f) / kQ8Most;

}  // namespace dstorch::ops::cpu
