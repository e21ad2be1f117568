#pragma once

#include <cstdint>

namespace dstorch {

/// The framework's first model: Linear, ReLU, (num_layers - 1) x [Linear, ReLU], Linear. Sizes in features.
struct Architecture {
  int64_t input_size = 0;
  int64_t hidden_size = 0;
  int64_t output_size = 0;
  int64_t num_layers = 1;
};

}  // namespace dstorch
