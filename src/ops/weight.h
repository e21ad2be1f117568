#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string_view>

#include "dstorch/dtype.h"

namespace dstorch::ops {

struct Weight;

/// What the ops know about a block format: how its blocks become numbers. A new format needs one of these, and a kernel
/// if it is to be fast; nothing above `ops` changes.
struct WeightFormat {
  BlockFormat blocks;
  /// Returns all numbers of a weight of this format, [rows, columns] in `dtype`.
  at::Tensor (*dequantize)(const Weight& weight, at::ScalarType dtype) = nullptr;
};

/// Makes `format` known to `find_weight_format`. `format` must live as long as the program. Thread-safe. Throws
/// LMError{invalid_argument} for a name that is taken.
void add_weight_format(const WeightFormat& format);
/// Null when none of that name was added. Thread-safe.
const WeightFormat* find_weight_format(std::string_view name);

/// A matrix that activations are multiplied with, as it lies in memory.
struct Weight {
  /// Null: a dense matrix, one element after the other in `data`.
  const WeightFormat* format = nullptr;
  at::Tensor data;    // [rows, columns]; in blocks: uint8 [rows, bytes of a row]
  at::Tensor scales;  // for formats that store scales separately, else undefined
  int64_t rows = 0;
  int64_t columns = 0;

  Weight() = default;
  /// dense [rows, columns], or undefined: no weight.
  Weight(at::Tensor dense);  // NOLINT(google-explicit-constructor): a dense tensor is a weight
  Weight(const WeightFormat& format, at::Tensor data, int64_t columns);

  [[nodiscard]] bool defined() const { return data.defined(); }
  /// All numbers as [rows, columns] in `dtype`. For a dense weight of that dtype this is `data` itself, so gradients
  /// reach it.
  [[nodiscard]] at::Tensor dense(at::ScalarType dtype) const;
  /// Looks up rows: indices int64 [..] -> [.., columns], float64 for a float64 weight, float32 otherwise.
  [[nodiscard]] at::Tensor rows_at(const at::Tensor& indices) const;
};

/// Picks rows: matrix [rows, columns], indices int64 [picked] -> [picked, columns].
at::Tensor rows_at(const at::Tensor& matrix, const at::Tensor& indices);

}  // namespace dstorch::ops
