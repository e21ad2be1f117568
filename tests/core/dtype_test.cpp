#include "dstorch/dtype.h"

#include <gtest/gtest.h>

namespace dstorch {
namespace {

TEST(DType, NamesAndSizes) {
  const std::vector<std::tuple<DType, std::string_view, std::size_t>> rows{
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
      {DType::complex128, "complex128", 16}};
  for (const auto& [dtype, name, size] : rows) {
    EXPECT_EQ(to_string(dtype), name);
    EXPECT_EQ(size_of(dtype), size) << name;
    EXPECT_EQ(parse_dtype(name), dtype) << name;
    EXPECT_EQ(parse_dtype("torch." + std::string(name)), dtype) << name;
  }
}

TEST(DType, WhatKeysAndValuesAreKeptIn) {
  for (const auto dtype : {KvDType::float32, KvDType::bfloat16, KvDType::float16, KvDType::q8}) {
    EXPECT_EQ(parse_kv_dtype(to_string(dtype)), dtype);
  }
  EXPECT_EQ(to_string(KvDType::q8), "q8");
  EXPECT_EQ(to_string(KvDType::bfloat16), "bfloat16");
  EXPECT_EQ(parse_kv_dtype("half"), KvDType::float16);
  for (const auto* name : {"", "q4", "Q8", "int8", "float64", "q8_0"}) {
    EXPECT_EQ(parse_kv_dtype(name), std::nullopt) << name;
  }
}

TEST(DType, ShortFormsAndStrangers) {
  EXPECT_EQ(parse_dtype("bf16"), DType::bfloat16);
  EXPECT_EQ(parse_dtype("fp16"), DType::float16);
  EXPECT_EQ(parse_dtype("half"), DType::float16);
  EXPECT_EQ(parse_dtype("fp32"), DType::float32);
  EXPECT_EQ(parse_dtype("float"), DType::float32);
  EXPECT_EQ(parse_dtype("double"), DType::float64);
  for (const auto* name : {"", "torch.", "Float32", "float31", "torch.torch.float32", "int"}) {
    EXPECT_EQ(parse_dtype(name), std::nullopt) << name;
  }
}

}  // namespace
}  // namespace dstorch
