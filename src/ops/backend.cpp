#include "ops/backend.h"

#include "device/dry_run.h"
#include "device/webgl/webgl.h"
#include "ops/attention.h"
#include "ops/linear_residual.h"
#include "ops/norm.h"
#include "ops/norm_linear.h"
#include "ops/norm_mlp.h"

namespace dstorch::ops {
namespace {

/// The composed form takes its residual by reference.
at::Tensor composed_residual(const at::Tensor& x, const LinearWeights& linear, at::Tensor residual) {
  return linear_residual_reference(x, linear, residual);
}

/// The kernels, each with its composed form where they may not be used.
constexpr Backend kCpu{.norm = norm,
                       .norm_linear = norm_linear,
                       .linear_residual = linear_residual,
                       .norm_mlp = norm_mlp,
                       .gate = gate,
                       .attention = attention,
                       .fused = true};

/// LibTorch's ops one by one: cuda, and the device without memory.
constexpr Backend kComposed{.norm = norm_reference,
                            .norm_linear = norm_linear_reference,
                            .linear_residual = composed_residual,
                            .norm_mlp = norm_mlp_reference,
                            .gate = gate_reference,
                            .attention = attention_reference};

constexpr Backend kWebgl{.norm = norm_reference,
                         .norm_linear = norm_linear_reference,
                         .linear_residual = composed_residual,
                         .norm_mlp = norm_mlp_reference,
                         .gate = gate_reference,
                         .attention = attention_webgl,
                         .hold = webgl::hold,
                         .float32_only = true};

/// A dry run leaves the device alone.
constexpr Backend without_hold(Backend backend) {
  backend.hold = nullptr;
  return backend;
}
constexpr Backend kDryWebgl = without_hold(kWebgl);

}  // namespace

const Backend& backend_of(const at::Device& device) {
  const auto meant = DryRun::meaning(device);
  if (meant.is_cpu()) {
    return kCpu;
  }
  if (meant.type() == c10::DeviceType::PrivateUse1) {
    return device.is_meta() ? kDryWebgl : kWebgl;
  }
  return kComposed;
}

}  // namespace dstorch::ops
