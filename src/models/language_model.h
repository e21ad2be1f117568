#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "models/classes.h"
#include "nn/kv_pool.h"
#include "nn/rope.h"
#include "ops/batch.h"

namespace dstorch::models {

/// The sizes callers need to know of a language model.
struct ModelSizes {
  std::string model_type;
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t num_layers = 0;
  /// The number of classes, for a model that classifies texts instead of predicting tokens; else 0.
  int64_t num_classes = 0;
  /// Most positions of one sequence.
  int64_t max_positions = 0;

  // 0 for models that do not say (TorchScript).
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  int64_t intermediate_size = 0;
  /// Whether the input table is the head too.
  bool tied = false;

  /// The number of logits of a row.
  [[nodiscard]] int64_t head_size() const noexcept { return num_classes > 0 ? num_classes : vocab_size; }
};

/// The names of a model's parts in checkpoints, and how fresh weights begin; empty for models that do not say
/// (TorchScript).
struct ModelParts {
  /// The module that all others are in, but for the head: what their names begin with.
  std::string body;
  /// The module with the vectors of the tokens.
  std::string token_table;
  /// The module of the head for tokens, also where the table is the head too, and where a head of classes stands in its
  /// place.
  std::string head;
  /// The endings of the names of layers whose output is added to the residual stream.
  std::vector<std::string> residual_layers;
  /// A norm's weights before training.
  double first_norm_weight = 1;

  /// Whether `module` makes the model's logits, of tokens or of classes.
  [[nodiscard]] bool is_head(std::string_view module) const { return module == head || module == kClassHead; }
};

/// A language model that predicts the next token. The same definition trains (gradients on, composed ops) and generates
/// (gradients off, fused ops). One pass at a time.
class LanguageModel : public torch::nn::Module {
 public:
  [[nodiscard]] virtual const ModelSizes& sizes() const = 0;
  [[nodiscard]] virtual ModelParts parts() const { return {}; }

  /// The keys and values that are kept of each position between passes. Without groups nothing is kept, and each pass
  /// takes whole sequences.
  [[nodiscard]] virtual const nn::KvLayout& kv_layout() const = 0;

  /// The stack of layers: a batch -> [rows, hidden], before the final norm. Undefined when the batch was abandoned.
  virtual at::Tensor hidden(const ops::Batch& batch) = 0;

  /// Bytes of the tables that all passes share once a sequence has grown to `positions` positions.
  [[nodiscard]] virtual nn::TableMemory tables(int64_t /*positions*/) const { return {}; }

  // What `hidden` does, piece by piece, for training that keeps little: the embedding, then each of the blocks.
  /// The number of blocks; 0 for models that cannot be run block by block.
  [[nodiscard]] virtual int64_t num_blocks() const { return 0; }
  /// A batch -> [rows, hidden]
  virtual at::Tensor embed(const ops::Batch& /*batch*/) { return {}; }
  /// x [rows, hidden] -> [rows, hidden]; x may be overwritten where no gradient is asked for.
  virtual at::Tensor block(int64_t /*index*/, at::Tensor /*x*/, const ops::Batch& /*batch*/) { return {}; }

  /// The final norm: what `embed` of the public API averages. [.., hidden] -> [.., hidden]
  virtual at::Tensor final_norm(const at::Tensor& hidden) = 0;

  /// The final norm and the head: [.., hidden] -> float [.., vocab], or one logit a class.
  virtual at::Tensor logits(const at::Tensor& hidden) = 0;

  /// The same for sequences with adapters, which may change the head. `rows` has the spans of `hidden` and their
  /// adapters.
  virtual at::Tensor logits_of(const at::Tensor& hidden, const ops::Batch& /*rows*/) { return logits(hidden); }

  /// Whole sequences, tokens int64 [sequences, length] -> logits float [sequences, length, vocab], differentiable.
  at::Tensor forward(const at::Tensor& tokens) {
    const auto rows = logits(hidden(ops::Batch::of_sequences(tokens)));
    return rows.view({tokens.size(0), tokens.size(1), rows.size(-1)});
  }
};

}  // namespace dstorch::models
