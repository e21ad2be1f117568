#pragma once

#include <ATen/ATen.h>

#include "core/torch_compat.h"
#include "device/dry_run.h"

namespace dstorch::ops {

/// Whether a tensor is on the CPU, or stands for one that is in a dry run.
inline bool is_for_cpu(const at::Tensor& x) { return DryRun::meaning(x.device()).is_cpu(); }

/// True where a fused CPU kernel may stand in for the composed reference: no gradient is asked for, and every tensor
/// is for the CPU. Each op adds its own demands on dtype and layout.
inline bool fast_path_allowed(const at::Tensor& x) {
  return !at::GradMode::is_enabled() && is_for_cpu(x) && x.scalar_type() == at::kFloat;
}

/// The dtype in which products with x are computed: bfloat16 under the CPU's autocast, else x's own. LibTorch's own
/// autocast does not reach tensors without memory; so that a dry run allocates the same blocks, the ops convert x
/// themselves in both cases.
inline at::ScalarType product_dtype(const at::Tensor& x) {
  const bool narrow = compat::cpu_autocast() && is_for_cpu(x) && x.scalar_type() != at::kDouble;
  return narrow ? at::kBFloat16 : x.scalar_type();
}

}  // namespace dstorch::ops
