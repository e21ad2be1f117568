#include "io/torch_globals.h"

#include <array>

namespace dstorch {
namespace {

constexpr std::array kRows{
    TorchGlobalRow{"collections", "OrderedDict", TorchGlobal::dict},
    TorchGlobalRow{"collections", "defaultdict", TorchGlobal::dict},
    TorchGlobalRow{"torch", "Size", TorchGlobal::size},
    TorchGlobalRow{"torch._utils", "_rebuild_tensor", TorchGlobal::rebuild_tensor},
    TorchGlobalRow{"torch._utils", "_rebuild_tensor_v2", TorchGlobal::rebuild_tensor_v2},
    TorchGlobalRow{"torch._utils", "_rebuild_tensor_v3", TorchGlobal::rebuild_tensor_v3},
    TorchGlobalRow{"torch._utils", "_rebuild_parameter", TorchGlobal::rebuild_parameter},
    TorchGlobalRow{"torch._utils", "_rebuild_parameter_with_state", TorchGlobal::rebuild_parameter},
    TorchGlobalRow{"torch._tensor", "_rebuild_from_type_v2", TorchGlobal::rebuild_from_type},
    TorchGlobalRow{"torch.storage", "UntypedStorage", TorchGlobal::untyped_storage},
    TorchGlobalRow{"torch", "UntypedStorage", TorchGlobal::untyped_storage},
    TorchGlobalRow{"torch", "BoolStorage", TorchGlobal::storage_type, DType::boolean},
    TorchGlobalRow{"torch", "ByteStorage", TorchGlobal::storage_type, DType::uint8},
    TorchGlobalRow{"torch", "CharStorage", TorchGlobal::storage_type, DType::int8},
    TorchGlobalRow{"torch", "ShortStorage", TorchGlobal::storage_type, DType::int16},
    TorchGlobalRow{"torch", "IntStorage", TorchGlobal::storage_type, DType::int32},
    TorchGlobalRow{"torch", "LongStorage", TorchGlobal::storage_type, DType::int64},
    TorchGlobalRow{"torch", "HalfStorage", TorchGlobal::storage_type, DType::float16},
    TorchGlobalRow{"torch", "BFloat16Storage", TorchGlobal::storage_type, DType::bfloat16},
    TorchGlobalRow{"torch", "FloatStorage", TorchGlobal::storage_type, DType::float32},
    TorchGlobalRow{"torch", "DoubleStorage", TorchGlobal::storage_type, DType::float64},
    TorchGlobalRow{"torch", "ComplexFloatStorage", TorchGlobal::storage_type, DType::complex64},
    TorchGlobalRow{"torch", "ComplexDoubleStorage", TorchGlobal::storage_type, DType::complex128},
    // Tensors without a plain storage, left out of a state dict; their parts are tensors and storages like others.
    TorchGlobalRow{"torch._utils", "_rebuild_sparse_tensor", TorchGlobal::inert},
    TorchGlobalRow{"torch._utils", "_rebuild_sparse_csr_tensor", TorchGlobal::inert},
    TorchGlobalRow{"torch._utils", "_rebuild_qtensor", TorchGlobal::inert},
    TorchGlobalRow{"torch._utils", "_rebuild_nested_tensor", TorchGlobal::inert},
    TorchGlobalRow{"torch._utils", "_rebuild_meta_tensor_no_storage", TorchGlobal::inert},
    TorchGlobalRow{"torch.nested._internal.nested_tensor", "_rebuild_njt", TorchGlobal::inert},
    TorchGlobalRow{"torch.nested._internal.nested_tensor", "NestedTensor", TorchGlobal::inert},
    TorchGlobalRow{"torch._dynamo.decorators", "_DimRange", TorchGlobal::inert},
    TorchGlobalRow{"torch", "per_tensor_affine", TorchGlobal::inert},
    TorchGlobalRow{"torch", "per_channel_affine", TorchGlobal::inert},
    TorchGlobalRow{"torch", "per_tensor_symmetric", TorchGlobal::inert},
    TorchGlobalRow{"torch", "per_channel_symmetric", TorchGlobal::inert},
    TorchGlobalRow{"torch", "per_channel_affine_float_qparams", TorchGlobal::inert},
    TorchGlobalRow{"torch", "QInt8Storage", TorchGlobal::storage_type, DType::int8},
    TorchGlobalRow{"torch", "QUInt8Storage", TorchGlobal::storage_type, DType::uint8},
    TorchGlobalRow{"torch", "QInt32Storage", TorchGlobal::storage_type, DType::int32},
    TorchGlobalRow{"torch", "QUInt4x2Storage", TorchGlobal::storage_type, DType::uint8},
    TorchGlobalRow{"torch", "QUInt2x4Storage", TorchGlobal::storage_type, DType::uint8},
    TorchGlobalRow{"torch", "device", TorchGlobal::inert},
    TorchGlobalRow{"torch", "Tensor", TorchGlobal::inert},
    TorchGlobalRow{"torch.nn.parameter", "Parameter", TorchGlobal::inert},
    TorchGlobalRow{"torch.serialization", "_get_layout", TorchGlobal::inert},
    TorchGlobalRow{"collections", "Counter", TorchGlobal::inert},
    TorchGlobalRow{"_codecs", "encode", TorchGlobal::inert},
    TorchGlobalRow{"builtins", "bytearray", TorchGlobal::inert},
    TorchGlobalRow{"builtins", "complex", TorchGlobal::inert},
    TorchGlobalRow{"builtins", "set", TorchGlobal::inert},
    TorchGlobalRow{"__builtin__", "bytearray", TorchGlobal::inert},
    TorchGlobalRow{"__builtin__", "complex", TorchGlobal::inert},
    TorchGlobalRow{"__builtin__", "set", TorchGlobal::inert},
};

}  // namespace

std::optional<TorchGlobalRow> find_torch_global(std::string_view module, std::string_view name) noexcept {
  for (const auto& row : kRows) {
    if (row.module == module && row.name == name) {
      return row;
    }
  }
  if (module == "torch") {
    // Only PyTorch's own names of types: "float32" is one, the short forms are ours.
    const auto dtype = parse_dtype(name);
    if (dtype && to_string(*dtype) == name) {
      return TorchGlobalRow{module, name, TorchGlobal::dtype, *dtype};
    }
  }
  return std::nullopt;
}

std::string_view torch_storage_name(DType dtype) noexcept {
  for (const auto& row : kRows) {
    if (row.meaning == TorchGlobal::storage_type && row.dtype == dtype) {
      return row.name;
    }
  }
  return {};
}

}  // namespace dstorch
