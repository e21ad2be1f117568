#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "dstorch/checkpoint.h"
#include "dstorch/log.h"
#include "models/weight_names.h"
#include "nn/weight_source.h"

namespace dstorch::models {

/// A tensor over the view's bytes, without a copy where they are aligned; it keeps `checkpoint` mapped. Throws
/// LMError{unsupported} for types that torch cannot compute with, and for blocks.
at::Tensor tensor_over(const std::shared_ptr<const Checkpoint>& checkpoint, const TensorView& view);

/// Returns `tensor`, which was made from `view`, such that its memory is counted while it lives: as mapped weights if
/// `checkpoint` is mapped. Does nothing if `tensor` is a copy instead of the view's own bytes.
at::Tensor count_in_place(at::Tensor tensor, const TensorView& view, const Checkpoint& checkpoint);

/// See nn::WeightSource::tied_pair. Reads both tensors where both are there.
nn::TiedPair tied_pair(const std::shared_ptr<const Checkpoint>& checkpoint, const WeightNames& names,
                       const std::string& first, const std::string& second);

/// Gives modules the weights of a checkpoint. Mismatches are collected, so that `finish` can list them all.
class CheckpointWeights : public nn::WeightSource {
 public:
  struct Options {
    at::Device device = at::kCPU;
    /// Floating-point weights are converted to this; unset keeps them as they are.
    std::optional<at::ScalarType> dtype;
    /// Weights by name that are used instead of the checkpoint's, which need not have them.
    std::map<std::string, at::Tensor> given;
    ProgressCallback on_progress;
  };

  CheckpointWeights(std::shared_ptr<const Checkpoint> checkpoint, Options options);

  at::Tensor get(const std::string& name, at::IntArrayRef shape, bool transposed) override;
  /// Stays in the file's blocks unless everything is converted.
  ops::Weight get_weight(const std::string& name, int64_t rows, int64_t columns) override;
  [[nodiscard]] bool has(const std::string& name) const override;
  /// Logs a warning where the two differ.
  nn::TiedPair tied_pair(const std::string& first, const std::string& second) override;
  void names_begin_with(const std::string& body) override { names_ = WeightNames(*checkpoint_, body); }
  void leave_out(const std::string& name) override;
  void leave_out_ending(const std::string& ending) override { unneeded_endings_.push_back(ending); }
  [[nodiscard]] bool trainable() const override { return false; }

  /// Throws LMError{format} that lists every weight that was missing or had the wrong shape, and every one that no
  /// module asked for. Weights that are known to be useless (buffers that older Hugging Face versions saved, say) are
  /// only logged.
  void finish() const;

  /// Bytes of the weights handed out.
  [[nodiscard]] int64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] int64_t count() const noexcept { return numel_; }

 private:
  /// The view of a weight of this shape. When there is none, notes the problem and returns null.
  const TensorView* use(const std::string& name, at::IntArrayRef shape);
  at::Tensor get_given(const std::string& name, at::IntArrayRef shape, bool transposed);
  /// Counts a weight that is handed out.
  void count(const at::Tensor& tensor, int64_t numel);

  std::shared_ptr<const Checkpoint> checkpoint_;
  WeightNames names_;
  Options options_;
  std::set<std::string> used_;
  std::set<std::string> unneeded_;
  std::vector<std::string> unneeded_endings_;
  std::vector<std::string> problems_;
  int64_t bytes_ = 0;
  int64_t numel_ = 0;
};

}  // namespace dstorch::models
