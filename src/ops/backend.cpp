#include "ops/backend.h"

#include "device/dry_run.h"
#include "device/webgl/webgl.h"
#include "ops/attention.h"
#include "ops/linear_residual.h"
#include "ops/norm.h"
#include "ops/norm_linear.h"
#include "ops/norm_linear_gate.h"

namespace dstorch::ops {
namespace {

/// Adapts the composed form, which takes its residual by reference, to the table's signature.
at::Tensor composed_residual(const at::Tensor& x, const LinearWeights& linear, at::Tensor residual) {
  return linear_residual_reference(x, linear, residual);
}

/// The CPU: kernels, and composed forms where those may not be used.
constexpr Backend kCpu{.norm = norm,
                       .norm_linear = norm_linear,
                       .linear_residual = linear_residual,
                       .norm_linear_gate = norm_linear_gate,
                       .gate = gate,
                       .attention = attention,
                       .exact_rows = true};

/// LibTorch's ops one by one: for cuda, and for `meta` outside of a dry run.
constexpr Backend kComposed{.norm = norm_reference,
                            .norm_linear = norm_linear_reference,
                            .linear_residual = composed_residual,
                            .norm_linear_gate = norm_linear_gate_reference,
                            .gate = gate_reference,
                            .attention = attention_reference};

constexpr Backend kWebgl{.norm = norm_reference,
                         .norm_linear = norm_linear_reference,
                         .linear_residual = composed_residual,
                         .norm_linear_gate = norm_linear_gate_reference,
                         .gate = gate_reference,
                         .attention = attention_webgl,
                         .hold = webgl::hold,
                         .float32_only = true};

/// The table for a dry run, which must not lock the device.
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
