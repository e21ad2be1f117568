#include "dstorch/torch_utils.h"

#include <gtest/gtest.h>

#include <numeric>

#include "dstorch/error.h"

namespace dstorch {
namespace {

const std::vector<double> kValues{-2, 0, 0.5, 1, 3, 100};

class DTypes : public testing::TestWithParam<DType> {};

TEST_P(DTypes, ValuesGoInAndComeOut) {
  const auto tensor = TorchUtils::create_tensor(kValues, {2, 3}, {.dtype = GetParam()});
  EXPECT_EQ(tensor.sizes(), (std::vector<int64_t>{2, 3}));
  const bool integral = GetParam() == DType::int8 || GetParam() == DType::int32 || GetParam() == DType::int64;
  auto expected = kValues;
  if (integral) {
    expected[2] = 0;
  }
  EXPECT_EQ(TorchUtils::extract_tensor_data(tensor), expected);
  EXPECT_EQ(TorchUtils::calculate_tensor_memory(tensor).bytes, 6 * static_cast<int64_t>(size_of(GetParam())));
}

INSTANTIATE_TEST_SUITE_P(All, DTypes,
                         testing::Values(DType::float16, DType::bfloat16, DType::float32, DType::float64, DType::int8,
                                         DType::int32, DType::int64));

TEST(TorchUtils, ShapeDefaultsToOneDimensionAndFillsInOne) {
  EXPECT_EQ(TorchUtils::create_tensor(kValues).sizes(), (std::vector<int64_t>{6}));
  EXPECT_EQ(TorchUtils::create_tensor(kValues, {3, -1}).sizes(), (std::vector<int64_t>{3, 2}));
}

TEST(TorchUtils, RefusesShapesThatDoNotFit) {
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{4}, {-1, -1}, {4, -1}, {0}, {-6}, {1LL << 62, 8}}) {
    EXPECT_THROW(TorchUtils::create_tensor(kValues, shape), LMError);
  }
}

TEST(TorchUtils, GradientsOnlyOfFloats) {
  EXPECT_TRUE(TorchUtils::create_tensor(kValues, {}, {.requires_grad = true}).requires_grad());
  EXPECT_THROW(TorchUtils::create_tensor(kValues, {}, {.dtype = DType::int64, .requires_grad = true}), LMError);
}

TEST(TorchUtils, ExtractsAnyStride) {
  const auto tensor = TorchUtils::create_tensor(kValues, {2, 3});
  EXPECT_EQ(TorchUtils::extract_tensor_data(tensor.t()), (std::vector<double>{-2, 1, 0, 3, 0.5, 100}));
  EXPECT_EQ(TorchUtils::extract_tensor_data(tensor.select(1, 1)), (std::vector<double>{0, 3}));
}

TEST(TorchUtils, AViewCountsWhatItShows) {
  const auto tensor = TorchUtils::create_tensor(kValues, {2, 3});
  const auto memory = TorchUtils::calculate_tensor_memory(tensor.select(0, 0));
  EXPECT_EQ(memory.bytes, 12);
  EXPECT_EQ(memory.storage_bytes, 24);
}

TEST(TorchUtils, ToDeviceKeepsGradients) {
  const auto tensor = TorchUtils::create_tensor(kValues, {}, {.requires_grad = true});
  EXPECT_TRUE(TorchUtils::to_device(tensor, Device::parse("cpu")).requires_grad());
  EXPECT_THROW(TorchUtils::to_device(tensor, Device::parse("cuda:99")), LMError);
  const auto there = TorchUtils::to_device(tensor, Device::parse("webgl"));
  EXPECT_TRUE(there.requires_grad());
  EXPECT_EQ(TorchUtils::extract_tensor_data(there), TorchUtils::extract_tensor_data(tensor));
  EXPECT_EQ(TorchUtils::calculate_tensor_memory(there).bytes, TorchUtils::calculate_tensor_memory(tensor).bytes);
}

}  // namespace
}  // namespace dstorch
