#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/rng.h"

namespace dstorch::training {

/// How fresh weights are drawn (Radford et al. 2019).
struct Initialization {
  /// Standard deviation of matrices and embeddings: `initializer_range` of the config.
  double range = 0.02;
  /// What writes into the residual stream is divided by sqrt(2 * num_layers), so that its variance does not grow with
  /// depth.
  int64_t num_layers = 1;
  /// How the names of the layers end that do; see models::ModelParts.
  std::vector<std::string> residual_layers{};
  /// What norms begin with.
  double norm_weight = 1;
  uint64_t seed = 0;
};

/// From a normal distribution of this standard deviation around 0, the same whatever LibTorch's version: float32.
at::Tensor draw_normal(at::IntArrayRef shape, double deviation, Rng rng);

/// Fills every parameter: matrices from a normal distribution, norms with `norm_weight`, biases with 0. A parameter's
/// values depend on the seed and its name, not on the other parameters.
void initialize_parameters(torch::nn::Module& model, const Initialization& how);

}  // namespace dstorch::training
