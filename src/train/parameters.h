#pragma once

#include <torch/nn/module.h>

#include <string>
#include <utility>
#include <vector>

namespace dstorch::training {

/// What is trained, by name; in an order that stays.
using Parameters = std::vector<std::pair<std::string, at::Tensor>>;

/// All of a module's.
inline Parameters parameters_of(const torch::nn::Module& model) {
  Parameters parameters;
  for (const auto& entry : model.named_parameters()) {
    parameters.emplace_back(entry.key(), entry.value());
  }
  return parameters;
}

}  // namespace dstorch::training
