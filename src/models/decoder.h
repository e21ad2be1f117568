#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "models/language_model.h"
#include "nn/layers.h"
#include "nn/pass.h"
#include "nn/rope.h"

namespace dstorch::models {

/// One layer of a decoder: attention and feed-forward, with what is around them.
class DecoderBlock : public torch::nn::Module {
 public:
  /// x [rows, hidden] -> [rows, hidden]; x may be overwritten where no gradient is asked for.
  virtual at::Tensor forward(at::Tensor x, const nn::Pass& pass, const ops::LayerSlot& slot) = 0;
  /// How many positions a query sees, its own included; 0 is all.
  [[nodiscard]] virtual int64_t window() const = 0;
};

/// What distinguishes the decoders of different architectures, besides their blocks.
struct DecoderConfig {
  ModelSizes sizes;
  ops::NormKind norm_kind = ops::NormKind::rms;
  double norm_eps = 1e-6;
  /// The final norm's offset, see ops::NormWeights.
  double norm_offset = 0;
  /// Whether there is a table of learned positions (`max_positions` rows) that is added to the tokens' vectors.
  bool position_table = false;
  /// The tokens' vectors are multiplied by this.
  double embedding_scale = 1;
  /// Whether that number is first rounded to the dtype of the table.
  bool embedding_scale_is_weight = false;
  /// Logits x become cap * tanh(x / cap), which keeps them between -cap and cap; 0 leaves them.
  double logit_cap = 0;
  /// Logits are divided by this, before the cap.
  double logit_divisor = 1;

  // Names of the parts, as checkpoints have them.
  std::string body = "model";
  std::string token_table = "embed_tokens";
  std::string positions = "wpe";
  std::string layers = "layers";
  std::string final_norm = "norm";
  std::string head = "lm_head";
  /// The endings of the names of layers whose output is added to the residual stream.
  std::vector<std::string> residual_layers{"o_proj", "down_proj"};
  /// The endings of the names of tensors that the family's checkpoints may contain and the model does not use.
  std::vector<std::string> unused;
};

/// Makes the block number `index` from its weights.
using BlockFactory = std::function<std::shared_ptr<DecoderBlock>(const nn::WeightScope& scope, int64_t index)>;

/// A causal decoder: embedding, blocks, norm and head.
class Decoder : public LanguageModel {
 public:
  /// `ropes`: the rotations; a block refers to one by its place in this list.
  Decoder(DecoderConfig config, nn::WeightSource& weights, const BlockFactory& make_block,
          std::vector<std::unique_ptr<nn::Rope>> ropes = {});

  [[nodiscard]] const ModelSizes& sizes() const override { return config_.sizes; }
  [[nodiscard]] const nn::KvLayout& kv_layout() const override { return kv_layout_; }
  [[nodiscard]] ModelParts parts() const override { return parts_; }
  [[nodiscard]] nn::TableMemory tables(int64_t positions) const override;
  at::Tensor hidden(const ops::Batch& batch) override;
  [[nodiscard]] int64_t num_blocks() const override { return config_.sizes.num_layers; }
  at::Tensor embed(const ops::Batch& batch) override;
  at::Tensor block(int64_t index, at::Tensor x, const ops::Batch& batch) override;
  at::Tensor final_norm(const at::Tensor& hidden) override;
  at::Tensor logits(const at::Tensor& hidden) override;
  at::Tensor logits_of(const at::Tensor& hidden, const ops::Batch& rows) override;

 private:
  /// Begins a pass of `batch` through the blocks. Keeps a reference to `batch`.
  [[nodiscard]] nn::Pass pass(const ops::Batch& batch);
  /// Applies the divisor and the cap to the head's output; overwrites `logits` where no gradient is asked for.
  [[nodiscard]] at::Tensor finished(at::Tensor logits) const;

  DecoderConfig config_;
  ModelParts parts_;
  std::vector<std::unique_ptr<nn::Rope>> ropes_;
  nn::KvLayout kv_layout_;
  std::shared_ptr<nn::Embedding> tokens_;
  std::shared_ptr<nn::Embedding> positions_;  // null without a table of them
  std::vector<std::shared_ptr<DecoderBlock>> blocks_;
  std::vector<ops::LayerSlot> slots_;  // by block
  std::shared_ptr<nn::Norm> norm_;
  std::shared_ptr<nn::Linear> head_;  // null: the token table is the head too
};

}  // namespace dstorch::models
