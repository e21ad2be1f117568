#pragma once

#include <c10/util/SmallVector.h>

#include <initializer_list>
#include <optional>

#include "nn/adapter.h"
#include "nn/layers.h"
#include "ops/backend.h"

namespace dstorch::nn {

/// One pass of a batch through a model. It offers the operations of the batch's device on layers instead of weights,
/// and adds what the adapters of the batch change, for the rows of each span. Activations are [rows, features]. For one
/// thread; a pass must not outlive its batch.
class Pass {
 public:
  /// The angles of each rotation that a model has, for every position of the batch.
  using Rotations = c10::SmallVector<ops::RopeTable, 2>;

  /// Keeps references to `batch` and `backend`.
  Pass(const ops::Batch& batch, const ops::Backend& backend, Rotations rotations = {});

  /// The vectors of the batch's tokens: [rows, features].
  [[nodiscard]] at::Tensor embedding(const Embedding& table) const;
  [[nodiscard]] at::Tensor norm(const at::Tensor& x, const Norm& norm) const;
  /// linear(x): [rows, in] -> [rows, out].
  [[nodiscard]] at::Tensor linear(const at::Tensor& x, const Linear& linear) const;
  /// norm(x) through each of the layers, side by side: [rows, in] -> [rows, sum of outs].
  [[nodiscard]] at::Tensor norm_linear(const at::Tensor& x, const Norm& norm,
                                       std::initializer_list<const Linear*> linears) const;
  /// residual + factor * linear(x); `residual` is consumed, and written in place where no gradient is asked for.
  [[nodiscard]] at::Tensor linear_residual(const at::Tensor& x, const Linear& linear, at::Tensor residual,
                                           double factor = 1) const;
  /// act(gate(norm(x))) * up(norm(x)), or without `up` (null) the first factor alone.
  [[nodiscard]] at::Tensor norm_linear_gate(const at::Tensor& x, const Norm& norm, const Linear& gate, const Linear* up,
                                            ops::Activation activation) const {
    return normed_linear_gate(x, norm.weights(), gate, up, activation);
  }
  /// The same of x instead of norm(x).
  [[nodiscard]] at::Tensor linear_gate(const at::Tensor& x, const Linear& gate, const Linear* up,
                                       ops::Activation activation) const {
    return normed_linear_gate(x, {}, gate, up, activation);
  }
  /// norm_linear_gate where one layer has the rows of gate and then those of up: [2 * intermediate, hidden].
  [[nodiscard]] at::Tensor norm_joined_linear_gate(const at::Tensor& x, const Norm& norm, const Linear& gate_up,
                                                   ops::Activation activation) const;
  /// residual + norm(linear(x)); `residual` is consumed, and written in place where no gradient is asked for.
  [[nodiscard]] at::Tensor linear_norm_residual(const at::Tensor& x, const Linear& linear, const Norm& norm,
                                                at::Tensor residual) const;
  /// Attention over joined queries, keys and values: [rows, (heads + 2 * kv_heads) * head_dim] -> [rows, heads *
  /// head_dim]. `rotation` is the number of one of the pass's rotations; without it queries and keys are not rotated.
  [[nodiscard]] at::Tensor attention(const at::Tensor& qkv, const ops::AttentionConfig& config,
                                     const ops::LayerSlot& slot, std::optional<std::size_t> rotation) const;

  [[nodiscard]] const ops::Batch& batch() const { return batch_; }

 private:
  /// Consecutive rows that go through the same adapter.
  struct Run {
    int64_t first = 0;
    int64_t count = 0;
    const Adapter* adapter = nullptr;
  };

  [[nodiscard]] bool changes(std::initializer_list<const Linear*> linears) const;
  /// What an adapter adds to the layer's output: x [rows, in] -> [rows, out].
  [[nodiscard]] at::Tensor change_of(const at::Tensor& x, const LowRank& change) const;
  [[nodiscard]] at::Tensor normed_linear_gate(const at::Tensor& x, const ops::NormWeights& norm, const Linear& gate,
                                              const Linear* up, ops::Activation activation) const;
  /// linear(x) with the change of the run's adapter, for rows of that run alone.
  [[nodiscard]] at::Tensor changed(const at::Tensor& x, const Linear& linear, const Run& run) const;
  [[nodiscard]] at::Tensor plain(const at::Tensor& x, const ops::LinearWeights& weights) const;

  const ops::Batch& batch_;
  const ops::Backend& backend_;
  Rotations rotations_;
  c10::SmallVector<Run, 4> runs_;
  bool whole_ = false;  // the first run contains all rows
};

}  // namespace dstorch::nn
