#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "dstorch/checkpoint.h"
#include "models/weight_names.h"
#include "nn/weight_source.h"

namespace dstorch::models {

/// Gives modules weights without memory (on `meta`) and adds up the bytes that they would take.
class PlannedWeights : public nn::WeightSource {
 public:
  /// Weights have the dtypes of `checkpoint`; those that it lacks, and all without a checkpoint or with `convert`, have
  /// `dtype`.
  PlannedWeights(std::shared_ptr<const Checkpoint> checkpoint, DType dtype, bool convert);

  at::Tensor get(const std::string& name, at::IntArrayRef shape, bool transposed) override;
  /// Stays in the file's blocks where loading would leave it so.
  ops::Weight get_weight(const std::string& name, int64_t rows, int64_t columns) override;
  [[nodiscard]] bool has(const std::string& name) const override;
  nn::TiedPair tied_pair(const std::string& first, const std::string& second) override;
  void names_begin_with(const std::string& body) override;
  [[nodiscard]] bool trainable() const override { return false; }

  [[nodiscard]] int64_t bytes() const noexcept { return bytes_; }

 private:
  std::shared_ptr<const Checkpoint> checkpoint_;  // may be null
  std::optional<WeightNames> names_;              // with a checkpoint
  DType dtype_;
  bool convert_;
  int64_t bytes_ = 0;
};

}  // namespace dstorch::models
