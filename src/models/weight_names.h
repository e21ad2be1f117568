#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "dstorch/checkpoint.h"

namespace dstorch::models {

/// Finds the tensors of a checkpoint under a model's own names, whatever the program that saved them put before those
/// names ("module.", "base_model.", or anything that all names begin with) or between their parts ("_orig_mod."). What
/// a model's own names begin with may be missing or doubled as well.
class WeightNames {
 public:
  /// `checkpoint` must outlive it. `body`: what the model's own names begin with (ModelParts::body); may be empty.
  explicit WeightNames(const Checkpoint& checkpoint, std::string body = {});

  /// The tensor that a model calls `name`, preferably one of exactly that name. Null when there is none. It lives as
  /// long as the checkpoint.
  [[nodiscard]] const TensorView* find(const std::string& name) const;

 private:
  const Checkpoint* checkpoint_;
  std::string body_;
  std::unordered_map<std::string, const TensorView*> by_bare_name_;
};

}  // namespace dstorch::models
