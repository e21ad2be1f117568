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
  /// Rows that want logits after the pass, each of another sequence.
  int64_t sequences = 1;
  at::Device device = at::kCPU;
  /// What keys and values are kept in.
  at::ScalarType kv_dtype = at::kFloat;
  /// The adapter that all rows go through, on `meta`; null for none.
  const nn::Adapter* adapter = nullptr;
};

/// The most bytes that a pass and the logits after it take at once, not counting weights, keys and values, and tables.
/// Found by a dry run (device/dry_run.h) of `model`, which must be on `meta`. Thread-safe.
int64_t pass_memory(LanguageModel& model, const PassShape& shape);

}  // namespace dstorch::models
