#include "ops/dry_forms.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "device/dry_run.h"

namespace dstorch::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// The block of `tensor`'s gradient, if one is asked for.
at::Tensor gradient_by(const at::Tensor& tensor) {
  return tensor.defined() && tensor.requires_grad() ? at::empty_like(tensor) : at::Tensor();
}

struct LayerNormBlocks : torch::autograd::Function<LayerNormBlocks> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias) {
    const auto y = at::empty_like(x);
    // On webgl (device/webgl/reduction_ops.cpp) a layer norm takes several steps, with the squares in memory between
    // them.
    const bool stepwise = DryRun::meaning(x.device()).type() == c10::DeviceType::PrivateUse1;
    const auto squares = stepwise ? at::empty_like(x) : at::Tensor();
    const auto statistics = at::empty({2, x.numel() / x.size(-1)}, x.options());
    context->save_for_backward({x, weight, bias, statistics});
    return y;
  }
  static variable_list backward(AutogradContext* context, const variable_list& /*gradients*/) {
    const auto saved = context->get_saved_variables();
    const auto by_x = context->needs_input_grad(0) ? at::empty_like(saved[0]) : at::Tensor();
    return {by_x, gradient_by(saved[1]), gradient_by(saved[2])};
  }
};

struct RowsBlocks : torch::autograd::Function<RowsBlocks> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& table, const at::Tensor& indices) {
    context->save_for_backward({table, indices});
    auto sizes = indices.sizes().vec();
    sizes.push_back(table.size(1));
    return at::empty(sizes, table.options());
  }
  static variable_list backward(AutogradContext* context, const variable_list& /*gradients*/) {
    return {at::empty_like(context->get_saved_variables()[0]), at::Tensor()};
  }
};

}  // namespace

at::Tensor dry_layer_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return LayerNormBlocks::apply(x, weight, bias.defined() ? bias : at::empty({0}, x.options()));
}

at::Tensor dry_rows(const at::Tensor& table, const at::Tensor& indices) { return RowsBlocks::apply(table, indices); }

}  // namespace dstorch::ops
