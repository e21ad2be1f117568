#pragma once

#include <ATen/ATen.h>

#include "device/dry_run.h"

namespace dstorch::ops {

/// Whether a tensor is for the CPU's kernels: it lies there, or would if this were no dry run.
inline bool is_for_cpu(const at::Tensor& x) { return DryRun::meaning(x.device()).is_cpu(); }

/// True where a fused CPU kernel may stand in for the composed reference: no gradient is asked for, and every tensor
/// is for the CPU. Each op adds its own demands on dtype and layout.
inline bool fast_path_allowed(const at::Tensor& x) {
  return !at::GradMode::is_enabled() && is_for_cpu(x) && x.scalar_type() == at::kFloat;
}

}  // namespace dstorch::ops
