#pragma once

#include "io/page_release.h"
#include "io/tensor_table.h"

namespace dstorch {

/// Reads the zip that `torch.save` has written since PyTorch 1.6: `NAME/data.pkl` describes the tensors,
/// `NAME/data/KEY` are their storages, stored and hence mapped. A TorchScript archive is recognised; its tensors are
/// not listed. Throws LMError: format, unsupported (compressed or big-endian storages).
TensorTable read_pytorch_zip(std::span<const std::byte> file, std::string_view where, const PageRelease& release = {});

}  // namespace dstorch
