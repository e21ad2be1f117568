#pragma once

#include "dstorch/checkpoint.h"

namespace dstorch {

struct SavePyTorchOptions {
  /// Writes zip64 records even where they are not needed, for tests.
  bool always_zip64 = false;
};

void save_pytorch(const std::filesystem::path& path, std::span<const TensorView> tensors,
                  const SavePyTorchOptions& options);

}  // namespace dstorch
