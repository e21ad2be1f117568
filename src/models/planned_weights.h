#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

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
  [[nodiscard]] int64_t count() const noexcept { return count_; }
  [[nodiscard]] int64_t largest() const noexcept { return largest_; }
  /// Numbers in the largest parameter that lies transposed in memory.
  [[nodiscard]] int64_t largest_transposed() const noexcept { return largest_transposed_; }
  /// Numbers in the parameters of the block with this number.
  [[nodiscard]] int64_t block_count(int64_t block) const;
  /// Rows and columns of its matrices.
  [[nodiscard]] int64_t block_sides(int64_t block) const;

 private:
  std::shared_ptr<const Checkpoint> checkpoint_;  // may be null
  std::optional<WeightNames> names_;              // with a checkpoint
  DType dtype_;
  bool convert_;
  int64_t bytes_ = 0;
  int64_t count_ = 0;
  int64_t largest_ = 0;
  int64_t largest_transposed_ = 0;
  std::map<std::string, std::vector<int64_t>> shapes_;  // by name
};

}  // namespace dstorch::models
