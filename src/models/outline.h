#pragma once

#include <cstdint>
#include <memory>

#include "core/json.h"
#include "dstorch/checkpoint.h"
#include "dstorch/dtype.h"
#include "models/language_model.h"

namespace dstorch::models {

/// What memory plans need to know of a language model, found without loading it.
struct ModelOutline {
  /// On `meta`: sizes, and no memory.
  std::shared_ptr<LanguageModel> model;
  ModelSizes sizes;
  nn::KvLayout kv_layout;
  DType dtype = DType::float32;
  int64_t weight_bytes = 0;
};

/// `config` is the model's config.json. Without `checkpoint`, and for weights it does not have, every element is of
/// `dtype`; with `convert` all are.
ModelOutline outline(const Json& config, const std::shared_ptr<const Checkpoint>& checkpoint, DType dtype,
                     bool convert);

}  // namespace dstorch::models
