#pragma once

#include <cstdint>
#include <memory>

#include "core/json.h"
#include "dstorch/checkpoint.h"
#include "dstorch/dtype.h"
#include "models/language_model.h"

namespace dstorch::models {

/// What memory plans need to know about a language model, found without loading it.
struct ModelOutline {
  /// The model on LibTorch's `meta` device: shapes without memory.
  std::shared_ptr<LanguageModel> model;
  ModelSizes sizes;
  nn::KvLayout kv_layout;
  DType dtype = DType::float32;
  int64_t weight_bytes = 0;
};

/// `config` is the model's config.json. Weights have the dtypes of `checkpoint`; those that it lacks, and all without a
/// checkpoint or with `convert`, have `dtype`.
ModelOutline outline(const Json& config, const std::shared_ptr<const Checkpoint>& checkpoint, DType dtype,
                     bool convert);

}  // namespace dstorch::models
