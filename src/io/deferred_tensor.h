#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "dstorch/checkpoint.h"

namespace dstorch {

/// A tensor to be saved that is only brought into memory when it is its turn to be written, and let go after it.
struct DeferredTensor {
  std::string name;
  DType dtype = DType::float32;
  std::vector<int64_t> shape;
  /// Calls `write` once with the tensor, which must be of the dtype and shape above; its name does not matter.
  std::function<void(const std::function<void(const TensorView&)>& write)> read;
};

/// As `save_safetensors` for views, with no more than one of `tensors` in memory at a time.
void save_deferred_safetensors(const std::filesystem::path& path, std::span<const DeferredTensor> tensors,
                               const std::map<std::string, std::string>& metadata = {});

}  // namespace dstorch
