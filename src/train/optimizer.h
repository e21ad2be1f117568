#pragma once

#include <torch/optim/adamw.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "train/parameters.h"

namespace dstorch::training {

/// AdamW (Loshchilov & Hutter 2019).
struct AdamWSettings {
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  /// On parameters of two dimensions or more: not on norms and biases.
  double weight_decay = 0.1;
};

/// LibTorch's AdamW over some parameters, one for each of them: the threads of the PassThreads around share the
/// parameters out among themselves. Not thread-safe.
class Optimizer {
 public:
  Optimizer(const Parameters& parameters, const AdamWSettings& settings);

  /// Makes the moments, which LibTorch would make in its first step among what is thrown away after it: made here, they
  /// are counted for what they are. `only_with_gradients`: of the parameters that have one now.
  void make_moments(bool only_with_gradients = true);

  /// Updates the parameters that have a gradient.
  void step(double learning_rate);

  /// Of a parameter, by its place; null: there are none yet.
  [[nodiscard]] const torch::optim::AdamWParamState* moments(std::size_t place) const;
  void set_moments(std::size_t place, std::unique_ptr<torch::optim::AdamWParamState> moments);

 private:
  std::vector<at::Tensor> parameters_;
  std::vector<std::unique_ptr<torch::optim::AdamW>> each_;  // of one parameter
};

}  // namespace dstorch::training
