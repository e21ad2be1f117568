#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "models/language_model.h"
#include "nn/adapter.h"

namespace dstorch::models {

/// One pass of a generating model.
struct PassShape {
  /// Rows that go through the layers, and the positions of the longest sequence among them.
  int64_t rows = 0;
  int64_t positions = 0;
  /// Rows that want logits after it; each of another sequence.
  int64_t sequences = 1;
  at::Device device = at::kCPU;
  /// Of keys and values.
  at::ScalarType kv_dtype = at::kFloat;
  /// What all rows go through, on `meta`; null for none.
  const nn::Adapter* adapter = nullptr;
};

/// The most bytes that a pass and the logits after it take at once, besides weights, keys and values, and tables: found
/// in a dry run (device/dry_run.h) of `model`, which must be on `meta`. Any number of threads may ask at once.
int64_t pass_memory(LanguageModel& model, const PassShape& shape);

}  // namespace dstorch::models
