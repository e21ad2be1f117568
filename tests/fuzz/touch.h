#pragma once

#include "io/tensor_table.h"

namespace dstorch {

/// Reads the first and the last byte, so that the address sanitizer sees a range that leaves its file.
inline void touch(std::span<const std::byte> bytes) {
  if (!bytes.empty()) {
    volatile auto sum = static_cast<int>(bytes.front()) + static_cast<int>(bytes.back());
    static_cast<void>(sum);
  }
}

/// Reads the storage and the last element of every tensor.
inline void touch(const TensorTable& table) {
  for (const auto& tensor : table.tensors) {
    touch(tensor.storage);
    if (tensor.numel() == 0) {
      continue;
    }
    if (tensor.blocks != nullptr) {
      touch(std::span(tensor.data(), tensor.bytes()));
      continue;
    }
    int64_t last = 0;
    for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
      last += (tensor.shape[i] - 1) * tensor.strides[i];
    }
    const auto size = size_of(tensor.dtype);
    touch(std::span(tensor.data() + static_cast<std::size_t>(last) * size, size));
    if (tensor.is_contiguous()) {
      touch(std::span(tensor.data(), tensor.bytes()));
    }
  }
}

}  // namespace dstorch
