#pragma once

#include <torch/nn/module.h>

#include <memory>
#include <string>
#include <vector>

#include "dstorch/architecture.h"
#include "dstorch/checkpoint.h"
#include "dstorch/device.h"

namespace dstorch {

/// The plain `architecture`: Linear(input, hidden), ReLU, (num_layers - 1) x [Linear(hidden, hidden), ReLU],
/// Linear(hidden, output). Parameters are named as those of the same `torch.nn.Sequential` (`0.weight`, `0.bias`,
/// `2.weight`, ...) or, from a state dict, as there. Forward passes may run on several threads at once.
class SimpleTransformer : public torch::nn::Module {
 public:
  /// Weights drawn as torch.nn.Linear does (uniform in ±1/sqrt(in)), from `seed`, on `device`.
  /// Throws LMError{invalid_argument} for sizes below 1.
  SimpleTransformer(const Architecture& architecture, uint64_t seed, const Device& device = {});
  /// The weights of a state dict that is a stack of linear layers (see `linear_stack`), of any widths, with or without
  /// biases; float64 if one of them is, else float32. Throws LMError{format} for any other.
  explicit SimpleTransformer(std::shared_ptr<const Checkpoint> checkpoint, const Device& device = {});

  /// x [.., input_size] -> [.., output_size]; differentiable.
  at::Tensor forward(const at::Tensor& x);

  [[nodiscard]] const Architecture& architecture() const noexcept { return architecture_; }

 private:
  /// The next layer: weight [out, in], bias [out] or undefined, under their names in a state dict.
  void add_layer(const std::string& weight_name, at::Tensor weight, const std::string& bias_name, at::Tensor bias);
  at::Tensor add_parameter(const std::string& name, at::Tensor value);

  Architecture architecture_;
  std::vector<at::Tensor> weights_;  // [out, in], by layer
  std::vector<at::Tensor> biases_;   // [out], or undefined
};

/// The sizes of the SimpleTransformer whose state dict `checkpoint` is, or none if it is another model's. Where the
/// layers are of several widths, `hidden_size` is the largest between input and output.
std::optional<Architecture> simple_transformer_architecture(const Checkpoint& checkpoint);

}  // namespace dstorch
