#pragma once

namespace dstorch::training {

/// Whether the processor multiplies bfloat16 itself; without, bfloat16 training is slower than float32.
bool processor_has_bfloat16();

/// Cores this process may run on.
int available_cores();

}  // namespace dstorch::training
