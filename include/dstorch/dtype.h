#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace dstorch {

/// Element types a checkpoint may hold. The names follow PyTorch's. Numbers of 8 bits and less are listed, not computed
/// with.
enum class DType {
  boolean,
  uint8,
  int8,
  int16,
  uint16,
  int32,
  uint32,
  int64,
  uint64,
  float8_e4m3fn,
  float8_e5m2,
  float8_e4m3fnuz,
  float8_e5m2fnuz,
  float8_e8m0fnu,
  float4_e2m1fn_x2,  ///< Two numbers in each element.
  float16,
  bfloat16,
  float32,
  float64,
  complex64,
  complex128,
};

/// Bytes of one element.
std::size_t size_of(DType dtype) noexcept;

/// PyTorch's name, e.g. "bfloat16", "bool".
std::string_view to_string(DType dtype) noexcept;

/// Accepts PyTorch's names, with or without "torch.", and the short forms "fp32", "fp16", "bf16", "half", "float",
/// "double".
std::optional<DType> parse_dtype(std::string_view name) noexcept;

/// Numbers stored in blocks, each of which holds the same count of neighbours in a row.
struct BlockFormat {
  /// As files spell it.
  std::string_view name;
  /// Numbers of a block, and its bytes.
  int64_t elements = 1;
  int64_t bytes = 1;
};

/// What keys and values may be kept in.
enum class KvDType {
  float32,
  bfloat16,
  float16,
  /// Numbers of 8 bits in units of a scale of their own for each head of a position: about half of bfloat16's bytes
  /// (docs/memory.md says what is lost).
  q8,
};

/// "float32", "bfloat16", "float16" or "q8".
std::string_view to_string(KvDType dtype) noexcept;

/// Accepts what `to_string` says, and `parse_dtype`'s other names of these.
std::optional<KvDType> parse_kv_dtype(std::string_view name) noexcept;

}  // namespace dstorch
