#pragma once

#include <torch/nn/module.h>

#include "nn/weight_source.h"
#include "ops/types.h"

namespace dstorch::nn {

/// A linear layer: owns its weight and bias, in whatever format they came. Its products are those of nn/pass.h, where
/// the adapters of a batch (nn/adapter.h) change them.
class Linear : public torch::nn::Module {
 public:
  /// How the checkpoint lays out the weight.
  enum class Layout {
    out_in,  ///< [out, in], as torch.nn.Linear
    in_out,  ///< [in, out], as GPT-2's Conv1D; kept in memory as [out, in]
  };

  Linear(const WeightScope& scope, int64_t in, int64_t out, bool bias, Layout layout = Layout::out_in);
  [[nodiscard]] ops::LinearWeights weights() const;
  [[nodiscard]] int64_t in_features() const { return in_; }
  [[nodiscard]] int64_t out_features() const { return out_; }
  [[nodiscard]] Layout layout() const { return layout_; }

 private:
  int64_t in_;
  int64_t out_;
  Layout layout_;
  ops::Weight weight_;  // in the checkpoint's layout; `data` is the parameter
  at::Tensor bias_;
};

/// RMS norm (`weight`) or layer norm (`weight`, `bias`) over `features`.
class Norm : public torch::nn::Module {
 public:
  /// `offset`: what is added to each stored weight, see ops::NormWeights.
  Norm(const WeightScope& scope, ops::NormKind kind, int64_t features, double eps, double offset = 0);
  [[nodiscard]] ops::NormWeights weights() const { return {kind_, weight_, bias_, eps_, offset_}; }

 private:
  ops::NormKind kind_;
  double eps_;
  double offset_;
  at::Tensor weight_;
  at::Tensor bias_;
};

/// A table of vectors: `weight` [count, features].
class Embedding : public torch::nn::Module {
 public:
  Embedding(const WeightScope& scope, int64_t count, int64_t features);
  /// Looks up rows: indices int64 [..] -> [.., features], float64 for a float64 table, float32 otherwise.
  [[nodiscard]] at::Tensor forward(const at::Tensor& indices) const { return weight_.rows_at(indices); }
  /// The same table as the head's weight.
  [[nodiscard]] ops::LinearWeights as_head() const { return {weight_, {}}; }
  /// `number` rounded to the table's dtype; unchanged where the table is stored in blocks.
  [[nodiscard]] double rounded(double number) const;
  [[nodiscard]] int64_t count() const { return weight_.rows; }
  [[nodiscard]] int64_t features() const { return weight_.columns; }

 private:
  ops::Weight weight_;
};

}  // namespace dstorch::nn
