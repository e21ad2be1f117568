#pragma once

#include "io/page_release.h"
#include "io/tensor_table.h"

namespace dstorch {

/// Reads what `torch.save` wrote before PyTorch 1.6, and still does when asked: pickles of a magic number, a version,
/// the writer's system, the object and the storages' keys, then each storage as a count and its elements.
/// Throws LMError: format, unsupported (big-endian).
TensorTable read_pytorch_legacy(std::span<const std::byte> file, std::string_view where,
                                const PageRelease& release = {});

}  // namespace dstorch
