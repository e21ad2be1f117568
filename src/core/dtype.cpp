#include "dstorch/dtype.h"

#include <array>

namespace dstorch {
namespace {

struct DTypeRow {
  DType dtype;
  std::string_view name;
  std::size_t size;
};

constexpr std::array<DTypeRow, 21> kDTypes{{
    {DType::boolean, "bool", 1},
    {DType::uint8, "uint8", 1},
    {DType::int8, "int8", 1},
    {DType::int16, "int16", 2},
    {DType::uint16, "uint16", 2},
    {DType::int32, "int32", 4},
    {DType::uint32, "uint32", 4},
    {DType::int64, "int64", 8},
    {DType::uint64, "uint64", 8},
    {DType::float8_e4m3fn, "float8_e4m3fn", 1},
    {DType::float8_e5m2, "float8_e5m2", 1},
    {DType::float8_e4m3fnuz, "float8_e4m3fnuz", 1},
    {DType::float8_e5m2fnuz, "float8_e5m2fnuz", 1},
    {DType::float8_e8m0fnu, "float8_e8m0fnu", 1},
    {DType::float4_e2m1fn_x2, "float4_e2m1fn_x2", 1},
    {DType::float16, "float16", 2},
    {DType::bfloat16, "bfloat16", 2},
    {DType::float32, "float32", 4},
    {DType::float64, "float64", 8},
    {DType::complex64, "complex64", 8},
    {DType::complex128, "complex128", 16},
}};

struct DTypeAlias {
  std::string_view alias;
  DType dtype;
};

constexpr std::array<DTypeAlias, 7> kAliases{{
    {"fp32", DType::float32},
    {"fp16", DType::float16},
    {"bf16", DType::bfloat16},
    {"half", DType::float16},
    {"float", DType::float32},
    {"double", DType::float64},
    {"boolean", DType::boolean},
}};

}  // namespace

std::size_t size_of(DType dtype) noexcept { return kDTypes[static_cast<std::size_t>(dtype)].size; }

std::string_view to_string(DType dtype) noexcept { return kDTypes[static_cast<std::size_t>(dtype)].name; }

std::optional<DType> parse_dtype(std::string_view name) noexcept {
  constexpr std::string_view prefix = "torch.";
  if (name.starts_with(prefix)) {
    name.remove_prefix(prefix.size());
  }
  for (const auto& row : kDTypes) {
    if (row.name == name) {
      return row.dtype;
    }
  }
  for (const auto& row : kAliases) {
    if (row.alias == name) {
      return row.dtype;
    }
  }
  return std::nullopt;
}

std::string_view to_string(KvDType dtype) noexcept {
  switch (dtype) {
    case KvDType::float32:
      return to_string(DType::float32);
    case KvDType::bfloat16:
      return to_string(DType::bfloat16);
    case KvDType::float16:
      return to_string(DType::float16);
    case KvDType::q8:
      break;
  }
  return "q8";
}

std::optional<KvDType> parse_kv_dtype(std::string_view name) noexcept {
  const auto dtype = parse_dtype(name);
  for (const auto known : {KvDType::float32, KvDType::bfloat16, KvDType::float16, KvDType::q8}) {
    if (name == to_string(known) || (dtype && to_string(*dtype) == to_string(known))) {
      return known;
    }
  }
  return std::nullopt;
}

}  // namespace dstorch
