#pragma once

#include <torch/nn/module.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>

#include "models/language_model.h"
#include "nn/layers.h"

namespace dstorch::models {

/// The layers of an attention that has one each for queries, keys, values and output, and what is computed with them as
/// most families do. What is between them is the family's.
class SplitAttention : public torch::nn::Module {
 public:
  [[nodiscard]] int64_t window() const { return config_.sliding_window; }

 protected:
  SplitAttention(const nn::WeightScope& scope, const ModelSizes& sizes, bool qkv_bias, bool output_bias)
      : q_(add("q_proj", scope, sizes.hidden_size, sizes.num_heads * sizes.head_dim, qkv_bias)),
        k_(add("k_proj", scope, sizes.hidden_size, sizes.num_kv_heads * sizes.head_dim, qkv_bias)),
        v_(add("v_proj", scope, sizes.hidden_size, sizes.num_kv_heads * sizes.head_dim, qkv_bias)),
        o_(add("o_proj", scope, sizes.num_heads * sizes.head_dim, sizes.hidden_size, output_bias)) {
    config_.num_heads = sizes.num_heads;
    config_.num_kv_heads = sizes.num_kv_heads;
    config_.head_dim = sizes.head_dim;
    config_.scale = 1 / std::sqrt(static_cast<double>(sizes.head_dim));
  }

  std::shared_ptr<nn::Linear> q_, k_, v_, o_;
  ops::AttentionConfig config_;

 private:
  std::shared_ptr<nn::Linear> add(const std::string& name, const nn::WeightScope& scope, int64_t in, int64_t out,
                                  bool bias) {
    return register_module(name, std::make_shared<nn::Linear>(scope / name, in, out, bias));
  }
};

}  // namespace dstorch::models
