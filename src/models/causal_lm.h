#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <memory>
#include <string>

#include "nn/kv_cache.h"

namespace dstorch::models {

/// The sizes callers need to know of a language model.
struct ModelSizes {
  std::string model_type;
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t num_layers = 0;
  /// Most positions of one sequence.
  int64_t max_positions = 0;

  // What follows decides how much memory a pass takes; 0 for models that do not say (TorchScript).
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  int64_t intermediate_size = 0;
  /// Layers whose queries and keys are rotated.
  int64_t rotated_layers = 0;
  /// act(gate) * up, rather than act(in).
  bool gated_mlp = false;
  /// RMS norm rather than layer norm.
  bool rms_norm = false;
  /// A norm over each query and key head.
  bool qk_norm = false;
  /// The input table is the head too.
  bool tied = false;
};

/// A language model that predicts the next token. The same definition trains (gradients on, composed ops) and generates
/// (gradients off, fused ops). Weights are read only: threads may run it at once, each with a state of its own.
class CausalLM : public torch::nn::Module {
 public:
  [[nodiscard]] virtual const ModelSizes& sizes() const = 0;

  /// Room for one sequence of up to `capacity` positions.
  [[nodiscard]] virtual std::unique_ptr<nn::SequenceState> make_state(int64_t capacity) const = 0;

  /// The stack of layers: tokens int64 [batch, seq] -> [batch, seq, hidden], before the final norm.
  /// With `state` (batch 1): tokens continue its sequence, and it remembers them. Without: tokens are whole sequences.
  virtual at::Tensor hidden(const at::Tensor& tokens, nn::SequenceState* state) = 0;

  /// The final norm: what `embed` averages. [.., hidden] -> [.., hidden]
  virtual at::Tensor final_norm(const at::Tensor& hidden) = 0;

  /// The final norm and the head: [.., hidden] -> float [.., vocab].
  virtual at::Tensor logits(const at::Tensor& hidden) = 0;

  /// tokens int64 [batch, seq] -> logits float [batch, seq, vocab], differentiable.
  at::Tensor forward(const at::Tensor& tokens) { return logits(hidden(tokens, nullptr)); }
};

}  // namespace dstorch::models
