#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "dstorch/checkpoint.h"
#include "dstorch/error.h"

namespace dstorch {

/// What one file says: every reader of `src/io` turns bytes into this.
struct TensorTable {
  CheckpointKind kind = CheckpointKind::safetensors;
  std::vector<TensorView> tensors;  ///< In the order of the file; names are unique.
  std::map<std::string, std::string> metadata;
};

/// As many dimensions as PyTorch's tensors may have.
inline constexpr std::size_t kMaxDimensions = 64;

/// A tensor may repeat its elements (a stride of 0), so that a small file can ask for a huge tensor; up to this much.
inline constexpr int64_t kMaxExpandedBytes = int64_t{1} << 30;

/// Row-major strides in elements. `shape` must have passed `check_shape`.
std::vector<int64_t> contiguous_strides(const std::vector<int64_t>& shape);

/// Checks that sizes are not negative and that their product times the element size is no overflow. Returns the number
/// of elements. `where` and `name` are for the error, which has kind `kind`.
int64_t check_shape(const std::vector<int64_t>& shape, DType dtype, ErrorKind kind, std::string_view where,
                    std::string_view name);

/// Checks that every element of `view` lies in its storage.
void check_view(const TensorView& view, ErrorKind kind, std::string_view where);

/// Throws LMError{kind} when a name occurs twice.
void check_unique_names(std::span<const TensorView> tensors, ErrorKind kind, std::string_view where);

}  // namespace dstorch
