#pragma once

#include <torch/nn/module.h>

#include "nn/weight_source.h"
#include "ops/types.h"

namespace dstorch::nn {

/// Holds `weight` [out, in] and maybe `bias` [out]; the ops do the arithmetic.
class Linear : public torch::nn::Module {
 public:
  Linear(const WeightScope& scope, int64_t in, int64_t out, bool bias);
  [[nodiscard]] ops::LinearWeights weights() const { return {weight_, bias_}; }

 private:
  at::Tensor weight_;
  at::Tensor bias_;
};

/// GPT-2's linear layer: `weight` is [in, out], kept in memory as [out, in].
class Conv1D : public torch::nn::Module {
 public:
  Conv1D(const WeightScope& scope, int64_t in, int64_t out);
  [[nodiscard]] ops::LinearWeights weights() const { return {weight_.t(), bias_}; }

 private:
  at::Tensor weight_;
  at::Tensor bias_;
};

/// RMS norm (`weight`) or layer norm (`weight`, `bias`) over `features`.
class Norm : public torch::nn::Module {
 public:
  Norm(const WeightScope& scope, ops::NormKind kind, int64_t features, double eps);
  [[nodiscard]] ops::NormWeights weights() const { return {kind_, weight_, bias_, eps_}; }

 private:
  ops::NormKind kind_;
  double eps_;
  at::Tensor weight_;
  at::Tensor bias_;
};

/// A table of vectors: `weight` [count, features].
class Embedding : public torch::nn::Module {
 public:
  Embedding(const WeightScope& scope, int64_t count, int64_t features);
  /// indices int64 [..] -> [.., features], float64 for a float64 table, float32 otherwise.
  [[nodiscard]] at::Tensor forward(const at::Tensor& indices) const;
  [[nodiscard]] ops::LinearWeights as_head() const { return {weight_, {}}; }

 private:
  at::Tensor weight_;
};

}  // namespace dstorch::nn
