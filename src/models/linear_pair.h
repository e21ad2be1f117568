#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <memory>
#include <string>

#include "nn/layers.h"

namespace dstorch::models {

/// The two linear layers of a part of a block that has no more: hidden -> joined, and, from what becomes of that,
/// middle -> hidden.
class LinearPair : public torch::nn::Module {
 public:
  LinearPair(const nn::WeightScope& scope, const std::string& in, const std::string& out, int64_t hidden,
             int64_t joined, int64_t middle, bool bias)
      : in_(register_module(in, std::make_shared<nn::Linear>(scope / in, hidden, joined, bias))),
        out_(register_module(out, std::make_shared<nn::Linear>(scope / out, middle, hidden, bias))) {}

  [[nodiscard]] const nn::Linear& in() const { return *in_; }
  [[nodiscard]] const nn::Linear& out() const { return *out_; }

 private:
  std::shared_ptr<nn::Linear> in_, out_;
};

}  // namespace dstorch::models
