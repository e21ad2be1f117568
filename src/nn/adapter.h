#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>
#include <unordered_map>
#include <utility>

#include "nn/layers.h"

namespace dstorch::nn {

/// A low-rank change of a linear layer (Hu et al. 2021): y += dropout(x) · aᵀ · bᵀ · scale. Of a table of vectors: its
/// row i gets column i of `a`, times bᵀ · scale, without dropout.
struct LowRank {
  at::Tensor a;  // float32 [rank, in]; of a table [rank, count]
  at::Tensor b;  // float32 [out, rank]
  double scale = 1;
  /// Share of the inputs that a training pass leaves out.
  double dropout = 0;
  /// The layer's number for dropout, so that each layer drops other inputs.
  uint64_t id = 0;
};

/// Low-rank changes of some linear layers and tables of one model, by layer. It must not outlive the model. Fill it
/// before the first pass and do not change it afterwards; any number of passes may then use it at once.
class Adapter {
 public:
  /// `layer`: a Linear or an Embedding.
  void add(const torch::nn::Module& layer, LowRank change) {
    largest_rank_ = std::max(largest_rank_, change.a.size(0));
    changes_[&layer] = std::move(change);
  }
  /// Null for a layer that stays as it is.
  [[nodiscard]] const LowRank* find(const torch::nn::Module& layer) const {
    const auto it = changes_.find(&layer);
    return it == changes_.end() ? nullptr : &it->second;
  }
  /// Of all changes; 0 when there are none.
  [[nodiscard]] int64_t largest_rank() const noexcept { return largest_rank_; }

 private:
  std::unordered_map<const torch::nn::Module*, LowRank> changes_;
  int64_t largest_rank_ = 0;
};

}  // namespace dstorch::nn
