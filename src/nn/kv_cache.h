#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "ops/types.h"

namespace dstorch::nn {

/// What a model remembers of one sequence between forward passes. One thread at a time.
class SequenceState {
 public:
  explicit SequenceState(int64_t capacity) : capacity_(capacity) {}
  SequenceState(const SequenceState&) = delete;
  SequenceState& operator=(const SequenceState&) = delete;
  virtual ~SequenceState() = default;

  /// Positions seen, and how many there is room for.
  [[nodiscard]] int64_t length() const noexcept { return length_; }
  [[nodiscard]] int64_t capacity() const noexcept { return capacity_; }
  void advance(int64_t positions) noexcept { length_ += positions; }

 private:
  int64_t length_ = 0;
  int64_t capacity_;
};

/// Keys and values of every layer, made once at full capacity.
class KvCache : public SequenceState {
 public:
  KvCache(int64_t layers, int64_t kv_heads, int64_t head_dim, int64_t capacity, at::TensorOptions options);
  [[nodiscard]] ops::LayerCache& layer(int64_t index) { return layers_[static_cast<std::size_t>(index)]; }

 private:
  std::vector<ops::LayerCache> layers_;
};

}  // namespace dstorch::nn
