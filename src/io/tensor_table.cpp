#include "io/tensor_table.h"

#include <fmt/ranges.h>

#include <unordered_set>

#include "core/throw.h"
#include "io/byte_cursor.h"

namespace dstorch {

int64_t TensorView::numel() const noexcept {
  int64_t count = 1;
  for (const auto size : shape) {
    count *= size;
  }
  return count;
}

std::size_t TensorView::bytes() const noexcept {
  if (blocks != nullptr) {
    return static_cast<std::size_t>(numel() / blocks->elements * blocks->bytes);
  }
  return static_cast<std::size_t>(numel()) * size_of(dtype);
}

bool TensorView::is_contiguous() const noexcept {
  int64_t expected = 1;
  bool packed = true;
  for (std::size_t i = shape.size(); i-- > 0;) {
    if (shape[i] == 0) {
      return true;
    }
    // The stride of a dimension of size 1 is never used.
    packed = packed && (shape[i] == 1 || strides[i] == expected);
    expected *= shape[i];
  }
  return packed;
}

const std::byte* TensorView::data() const noexcept {
  return storage.data() + static_cast<std::size_t>(storage_offset) * size_of(dtype);
}

std::vector<int64_t> contiguous_strides(const std::vector<int64_t>& shape) {
  std::vector<int64_t> strides(shape.size());
  int64_t stride = 1;
  for (std::size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= shape[i] > 0 ? shape[i] : 1;
  }
  return strides;
}

int64_t check_shape(const std::vector<int64_t>& shape, DType dtype, ErrorKind kind, std::string_view where,
                    std::string_view name) {
  require(shape.size() <= kMaxDimensions, kind, "{}: tensor {} must have at most {} dimensions, it has {}", where,
          Quoted(name), kMaxDimensions, shape.size());
  // Sizes of 0 are left out of the product, so that the strides made from such a shape do not overflow either.
  bool overflow = false;
  bool empty = false;
  auto product = static_cast<int64_t>(size_of(dtype));
  for (const auto size : shape) {
    require(size >= 0, kind, "{}: tensor {} must not have a negative size, its shape is [{}]", where, Quoted(name),
            fmt::join(shape, ", "));
    empty = empty || size == 0;
    overflow = overflow || __builtin_mul_overflow(product, size == 0 ? 1 : size, &product);
  }
  require(!overflow, kind, "{}: tensor {} of shape [{}] is larger than any memory", where, Quoted(name),
          fmt::join(shape, ", "));
  return empty ? 0 : product / static_cast<int64_t>(size_of(dtype));
}

void check_view(const TensorView& view, ErrorKind kind, std::string_view where) {
  const auto numel = check_shape(view.shape, view.dtype, kind, where, view.name);
  require(view.strides.size() == view.shape.size(), kind, "{}: tensor {} must have {} strides, it has {}", where,
          Quoted(view.name), view.shape.size(), view.strides.size());
  const auto element_size = size_of(view.dtype);
  const auto available = static_cast<int64_t>(view.storage.size() / element_size);
  // `last` is the offset of the last element; strides are not negative, so nothing lies before the first one.
  int64_t last = view.storage_offset;
  bool inside = last >= 0;
  for (std::size_t i = 0; i < view.shape.size(); ++i) {
    int64_t step = 0;
    inside = inside && view.strides[i] >= 0;
    if (view.shape[i] > 0) {
      inside = inside && !__builtin_mul_overflow(view.shape[i] - 1, view.strides[i], &step) &&
               !__builtin_add_overflow(last, step, &last);
    }
  }
  inside = inside && (numel == 0 ? view.storage_offset <= available : last < available);
  require(inside, kind, "{}: tensor {} (shape [{}], strides [{}], offset {}) must lie in its storage of {} elements",
          where, Quoted(view.name), fmt::join(view.shape, ", "), fmt::join(view.strides, ", "), view.storage_offset,
          available);
  require(numel <= available || numel <= kMaxExpandedBytes / static_cast<int64_t>(element_size), kind,
          "{}: tensor {} of shape [{}] repeats the {} elements of its storage too often", where, Quoted(view.name),
          fmt::join(view.shape, ", "), available);
}

void check_unique_names(std::span<const TensorView> tensors, ErrorKind kind, std::string_view where) {
  std::unordered_set<std::string_view> names;
  names.reserve(tensors.size());
  for (const auto& tensor : tensors) {
    require(names.insert(tensor.name).second, kind, "{} must name each tensor once, {} occurs twice", where,
            Quoted(tensor.name));
  }
}

}  // namespace dstorch
