#include "nn/pass.h"

namespace dstorch::nn {

at::Tensor Pass::norm(const at::Tensor& x, const Norm& norm) const { return backend_.norm(x, norm.weights()); }

at::Tensor Pass::norm_linear(const at::Tensor& x, const Norm& norm,
                             std::initializer_list<const Linear*> linears) const {
  c10::SmallVector<ops::LinearWeights, 3> weights;
  for (const auto* linear : linears) {
    weights.push_back(linear->weights());
  }
  return backend_.norm_linear(x, norm.weights(), {weights.data(), weights.size()});
}

at::Tensor Pass::linear_residual(const at::Tensor& x, const Linear& linear, at::Tensor residual) const {
  return backend_.linear_residual(x, linear.weights(), std::move(residual));
}

at::Tensor Pass::norm_mlp(const at::Tensor& x, const Norm& norm, const Linear& gate, const Linear* up,
                          ops::Activation activation) const {
  return backend_.norm_mlp(x, norm.weights(), gate.weights(), up != nullptr ? up->weights() : ops::LinearWeights{},
                           activation);
}

at::Tensor Pass::attention(const at::Tensor& qkv, const ops::AttentionConfig& config, const ops::LayerSlot& slot,
                           bool rotated) const {
  return backend_.attention(qkv, config, rotated ? rope_ : ops::RopeTable{}, batch_, slot);
}

}  // namespace dstorch::nn
