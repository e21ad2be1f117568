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
  /// Positions a query sees, itself included; 0 is all.
  [[nodiscard]] virtual int64_t window() const = 0;
};

/// What tells one architecture's decoder from another's, besides its blocks.
struct DecoderConfig {
  ModelSizes sizes;
  ops::NormKind norm_kind = ops::NormKind::rms;
  double norm_eps = 1e-6;
  /// Learned positions, added to the tokens (`max_positions` of them).
  bool position_table = false;

  // Names of the parts, as checkpoints have them.
  std::string body = "model";
  std::string token_table = "embed_tokens";
  std::string positions = "wpe";
  std::string layers = "layers";
  std::string final_norm = "norm";
  std::string head = "lm_head";
};

/// Makes the block number `index` from its weights.
using BlockFactory = std::function<std::shared_ptr<DecoderBlock>(const nn::WeightScope& scope, int64_t index)>;

/// A causal decoder: embedding, blocks, norm and head.
class Decoder : public LanguageModel {
 public:
  /// `rope`: null for models without rotation.
  Decoder(DecoderConfig config, nn::WeightSource& weights, const BlockFactory& make_block,
          std::unique_ptr<nn::Rope> rope);

  [[nodiscard]] const ModelSizes& sizes() const override { return config_.sizes; }
  [[nodiscard]] const nn::KvLayout& kv_layout() const override { return kv_layout_; }
  at::Tensor hidden(const ops::Batch& batch) override;
  [[nodiscard]] int64_t num_blocks() const override { return config_.sizes.num_layers; }
  at::Tensor embed(const ops::Batch& batch) override;
  at::Tensor block(int64_t index, at::Tensor x, const ops::Batch& batch) override;
  at::Tensor final_norm(const at::Tensor& hidden) override;
  at::Tensor logits(const at::Tensor& hidden) override;
  at::Tensor logits_of(const at::Tensor& hidden, const ops::Batch& rows) override;

 private:
  /// The pass of a batch through the blocks. Keeps a reference.
  [[nodiscard]] nn::Pass pass(const ops::Batch& batch);

  DecoderConfig config_;
  std::unique_ptr<nn::Rope> rope_;
  nn::KvLayout kv_layout_;
  std::shared_ptr<nn::Embedding> tokens_;
  std::shared_ptr<nn::Embedding> positions_;  // null without a table of them
  std::vector<std::shared_ptr<DecoderBlock>> blocks_;
  std::vector<ops::LayerSlot> slots_;  // by block
  std::shared_ptr<nn::Norm> norm_;
  std::shared_ptr<nn::Linear> head_;  // null: the token table is the head too
};

}  // namespace dstorch::models
