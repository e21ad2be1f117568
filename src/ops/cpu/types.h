#pragma once

#include <cstdint>

#include "dstorch/dtype.h"

namespace dstorch::ops {

/// What is done to the features before a linear layer.
enum class NormKind { none, rms, layer };

enum class Activation { silu, gelu, gelu_tanh, relu };

}  // namespace dstorch::ops

/// The fused CPU kernels: plain pointers, no LibTorch, compiled once per instruction set and chosen at run time.
///
/// Weights, biases, norm parameters and caches are float32, bfloat16 or float16; activations and sums are float32, but
/// for what bf16_product.h says of bfloat16 weights. Every sum runs over its terms in an order that depends on their
/// number alone, so a row's result is the same to the bit whether it is computed alone or among others, on any number
/// of threads (on one instruction set).
///
/// Nothing is checked: callers guarantee sizes, types and lifetimes. All calls are safe from several threads at once
/// as long as what they write does not overlap.
namespace dstorch::ops::cpu {

/// Positions of a page of the KV cache.
inline constexpr int64_t kPagePositions = 64;

/// Elements of what a page keeps of a position, for one head. In int8 (the format "q8") these are head_dim numbers in
/// units of a scale, and then the scale, a bfloat16.
inline constexpr int64_t kScaleBytes = 2;
constexpr int64_t page_row(DType dtype, int64_t head_dim) {
  return dtype == DType::int8 ? head_dim + kScaleBytes : head_dim;
}

/// A vector of `features` elements of one of the three types; null: absent.
struct Vector {
  const void* data = nullptr;
  DType dtype = DType::float32;
};

/// A linear layer: row-major [rows, features], consecutive rows `stride` elements apart.
struct Matrix {
  const void* data = nullptr;
  DType dtype = DType::float32;
  int64_t rows = 0;
  int64_t stride = 0;
  Vector bias;  // [rows]
};

/// Parameters of a norm over the features of a row.
struct Norm {
  NormKind kind = NormKind::none;
  Vector weight;
  Vector bias;
  float eps = 0;
  float offset = 0;  // added to each number of `weight`
};

/// Rows of float32, `stride` elements apart, each row contiguous.
struct Rows {
  const float* data = nullptr;
  int64_t count = 0;
  int64_t stride = 0;
  int64_t features = 0;
};

}  // namespace dstorch::ops::cpu
