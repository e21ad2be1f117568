#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <memory>
#include <string>

#include "nn/layers.h"
#include "nn/pass.h"

namespace dstorch::models {

/// A feed-forward part of three layers, gate_proj, up_proj and down_proj (Shazeer 2020, "GLU Variants Improve
/// Transformer"). What comes after down_proj is the block's.
class GatedMlp : public torch::nn::Module {
 public:
  GatedMlp(const nn::WeightScope& scope, int64_t hidden, int64_t intermediate, bool bias, ops::Activation activation)
      : activation_(activation),
        gate_(add("gate_proj", scope, hidden, intermediate, bias)),
        up_(add("up_proj", scope, hidden, intermediate, bias)),
        down_(add("down_proj", scope, intermediate, hidden, bias)) {}

  /// act(gate(norm(x))) * up(norm(x)): [rows, hidden] -> [rows, intermediate]
  [[nodiscard]] at::Tensor inner(const at::Tensor& x, const nn::Norm& norm, const nn::Pass& pass) const {
    return pass.norm_linear_gate(x, norm, *gate_, up_.get(), activation_);
  }
  /// The same of x itself.
  [[nodiscard]] at::Tensor inner(const at::Tensor& x, const nn::Pass& pass) const {
    return pass.linear_gate(x, *gate_, up_.get(), activation_);
  }
  [[nodiscard]] const nn::Linear& down() const { return *down_; }

 private:
  std::shared_ptr<nn::Linear> add(const std::string& name, const nn::WeightScope& scope, int64_t in, int64_t out,
                                  bool bias) {
    return register_module(name, std::make_shared<nn::Linear>(scope / name, in, out, bias));
  }

  ops::Activation activation_;
  std::shared_ptr<nn::Linear> gate_, up_, down_;
};

}  // namespace dstorch::models
