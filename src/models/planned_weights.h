#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "dstorch/checkpoint.h"
#include "models/weight_names.h"
#include "nn/weight_source.h"

namespace dstorch::models {

/// Gives modules weights without memory (on `meta`), and adds up what they would take.
class PlannedWeights : public nn::WeightSource {
 public:
  /// Without `checkpoint`, and for weights it does not have, every element is of `dtype`; with `convert` all are.
  PlannedWeights(std::shared_ptr<const Checkpoint> checkpoint, DType dtype, bool convert);

  at::Tensor get(const std::string& name, at::IntArrayRef shape, bool transposed) override;
  /// In the file's blocks where loading would leave it in them.
  ops::Weight get_weight(const std::string& name, int64_t rows, int64_t columns) override;
  [[nodiscard]] bool has(const std::string& name) const override;
  nn::TiedPair tied_pair(const std::string& first, const std::string& second) override;
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
