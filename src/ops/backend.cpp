#include "ops/backend.h"

#include "device/webgl/attention.h"
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

bool never(int64_t /*kv_heads*/, int64_t /*positions*/, int64_t /*head_dim*/) { return false; }

/// The kernels, each with its composed form where they may not be used.
constexpr Backend kCpu{.norm = norm,
                       .norm_linear = norm_linear,
                       .linear_residual = linear_residual,
                       .norm_mlp = norm_mlp,
                       .gate = gate,
                       .attention = attention,
                       .fused = true,
                       .attention_without_scores = never};

/// LibTorch's ops one by one: cuda, and the device without memory.
constexpr Backend kComposed{.norm = norm_reference,
                            .norm_linear = norm_linear_reference,
                            .linear_residual = composed_residual,
                            .norm_mlp = norm_mlp_reference,
                            .gate = gate_reference,
                            .attention = attention_reference,
                            .attention_without_scores = never};

constexpr Backend kWebgl{.norm = norm_reference,
                         .norm_linear = norm_linear_reference,
                         .linear_residual = composed_residual,
                         .norm_mlp = norm_mlp_reference,
                         .gate = gate_reference,
                         .attention = attention_webgl,
                         .hold = webgl::hold,
                         .float32_only = true,
                         .stepwise_norms = true,
                         .attention_without_scores = webgl::attention_takes};

}  // namespace

const Backend& backend_of(const at::Device& device) {
  if (device.is_cpu()) {
    return kCpu;
  }
  return device.type() == c10::DeviceType::PrivateUse1 ? kWebgl : kComposed;
}

}  // namespace dstorch::ops
