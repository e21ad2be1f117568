#pragma once

#include <optional>
#include <string_view>

#include "dstorch/dtype.h"

namespace dstorch {

/// What an allowed global of a PyTorch pickle means to the reader.
enum class TorchGlobal {
  dict,               ///< collections.OrderedDict and its like: a dict.
  size,               ///< torch.Size: the tuple it is given.
  rebuild_tensor,     ///< (storage, offset, size, stride), before 0.4.
  rebuild_tensor_v2,  ///< (storage, offset, size, stride, requires_grad, hooks[, metadata])
  rebuild_tensor_v3,  ///< (storage, offset, size, stride, requires_grad, hooks, dtype[, metadata])
  rebuild_parameter,  ///< (tensor, requires_grad, hooks[, state])
  rebuild_from_type,  ///< (function, type, args, state): a tensor with Python attributes.
  storage_type,       ///< torch.FloatStorage and its like.
  untyped_storage,    ///< torch.storage.UntypedStorage: bytes.
  dtype,              ///< torch.float32 and its like.
  inert,              ///< Harmless and not needed: calling it makes a value nobody looks at.
};

struct TorchGlobalRow {
  std::string_view module;
  std::string_view name;
  TorchGlobal meaning;
  DType dtype = DType::uint8;  ///< Of storage types and dtypes.
};

/// Nothing outside this list is ever accepted; see `TorchHost::global`.
std::optional<TorchGlobalRow> find_torch_global(std::string_view module, std::string_view name) noexcept;

/// "FloatStorage" for float32; empty for the types that PyTorch saves untyped (unsigned 16 to 64, float8).
std::string_view torch_storage_name(DType dtype) noexcept;

}  // namespace dstorch
