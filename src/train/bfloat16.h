#pragma once

#include <optional>

#include "dstorch/device.h"

namespace dstorch::training {

/// Whether the processor multiplies bfloat16 itself; without, bfloat16 training is slower than float32.
bool processor_has_bfloat16();

/// Whether forward passes run under bfloat16 autocast: as asked, else on a CPU that has bfloat16 instructions. Throws
/// LMError{unsupported} when it is asked for on another device.
bool trains_in_bfloat16(const std::optional<bool>& asked, const Device& device);

}  // namespace dstorch::training
