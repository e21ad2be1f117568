#pragma once

#include <gtest/gtest.h>

#include <cmath>

#include "core/json.h"
#include "dstorch/memory.h"

namespace dstorch::test {

inline Json llama_shape(int64_t vocab, int64_t hidden, int64_t inner, int64_t layers, int64_t heads, int64_t kv_heads,
                        bool tied) {
  return {{"model_type", "llama"},           {"vocab_size", vocab},
          {"hidden_size", hidden},           {"intermediate_size", inner},
          {"num_hidden_layers", layers},     {"num_attention_heads", heads},
          {"num_key_value_heads", kv_heads}, {"max_position_embeddings", 2048},
          {"tie_word_embeddings", tied}};
}

inline Json gemma3_shape() {
  return {{"model_type", "gemma3_text"},
          {"vocab_size", 500},
          {"hidden_size", 128},
          {"intermediate_size", 344},
          {"num_hidden_layers", 3},
          {"num_attention_heads", 4},
          {"num_key_value_heads", 2},
          {"head_dim", 48},
          {"max_position_embeddings", 2048},
          {"sliding_window", 1024},
          {"sliding_window_pattern", 3}};
}

/// Its caps are those of the class.
inline Json gemma2_shape() {
  auto config = gemma3_shape();
  config["model_type"] = "gemma2";
  config["num_hidden_layers"] = 2;
  return config;
}

inline Json gpt2_shape() {
  return {{"model_type", "gpt2"}, {"vocab_size", 1000}, {"n_embd", 128},
          {"n_layer", 3},         {"n_head", 4},        {"n_positions", 256}};
}

inline Json with_type(Json config, const char* type) {
  config["model_type"] = type;
  return config;
}

inline Json gpt_neox_shape() {
  return {{"model_type", "gpt_neox"},       {"vocab_size", 500},      {"hidden_size", 128},
          {"intermediate_size", 512},       {"num_hidden_layers", 3}, {"num_attention_heads", 4},
          {"max_position_embeddings", 2048}};
}

inline Json granite_shape() {
  auto config = with_type(llama_shape(500, 128, 344, 3, 4, 2, true), "granite");
  config["embedding_multiplier"] = 12.0;
  config["residual_multiplier"] = 0.22;
  config["attention_multiplier"] = 0.2;
  config["logits_scaling"] = 8.0;
  return config;
}

/// Within a part of what is measured, in all and by kind.
inline void expect_close(const MemoryPlan& plan, const MemoryUse& measured, double within) {
  const auto close = [within](int64_t planned, int64_t found) {
    return std::abs(static_cast<double>(planned - found)) <= within * static_cast<double>(found);
  };
  EXPECT_TRUE(close(plan.total, measured.total.peak)) << "together: " << plan.total << " for " << measured.total.peak;
  for (const auto kind : {MemoryKind::kv_cache, MemoryKind::activations, MemoryKind::gradients, MemoryKind::optimizer,
                          MemoryKind::other}) {
    EXPECT_TRUE(close(plan[kind], measured[kind].peak))
        << to_string(kind) << ": " << plan[kind] << " for " << measured[kind].peak;
  }
}

}  // namespace dstorch::test
