#include "dstorch/torch_utils.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <tuple>

#include "dstorch/error.h"
#include "support/devices.h"

namespace dstorch {
namespace {

const std::vector<double> kValues{-2, 0, 0.5, 1, 3, 100};

/// What can be stored, on every device. A number is rounded by no more than `relative` of its size.
struct Storable {
  DType dtype;
  double relative;
};
constexpr std::array<Storable, 10> kStorables{{{DType::float64, 0},
                                               {DType::float32, 0x1p-24},
                                               {DType::bfloat16, 0x1p-8},
                                               {DType::float16, 0x1p-11},
                                               {DType::int64, 0},
                                               {DType::int32, 0},
                                               {DType::int16, 0},
                                               {DType::int8, 0},
                                               {DType::uint8, 0},
                                               {DType::boolean, 0}}};

class DTypes : public testing::TestWithParam<std::tuple<std::string, Storable>> {};

TEST_P(DTypes, ValuesGoInAndComeOutInAnyStride) {
  const auto device = Device::parse(std::get<0>(GetParam()));
  const auto [dtype, relative] = std::get<1>(GetParam());
  std::vector<double> values{1, 0, 0.3, 7, 1.0 / 3, 100};
  if (dtype == DType::float32 || dtype == DType::float64) {
    values[3] = -1234567.125;
  }
  const bool integral = relative == 0 && dtype != DType::float64;
  std::vector<double> expected;
  for (const auto value : values) {
    expected.push_back(dtype == DType::boolean ? (value != 0 ? 1 : 0) : integral ? std::trunc(value) : value);
  }
  const auto tensor = TorchUtils::create_tensor(values, {2, 3}, {.dtype = dtype, .device = device});
  EXPECT_EQ(tensor.sizes(), (std::vector<int64_t>{2, 3}));
  const auto expect = [&, error = relative](const at::Tensor& shown, const std::vector<std::size_t>& places) {
    const auto found = TorchUtils::extract_tensor_data(shown);
    ASSERT_EQ(found.size(), places.size());
    for (std::size_t i = 0; i < places.size(); ++i) {
      EXPECT_NEAR(found[i], expected[places[i]], error * std::abs(expected[places[i]])) << i;
    }
    if (integral) {
      EXPECT_EQ(TorchUtils::extract_tensor_integers(shown), std::vector<int64_t>(found.begin(), found.end()));
    } else {
      EXPECT_THROW(TorchUtils::extract_tensor_integers(shown), LMError);
    }
    const auto size = static_cast<int64_t>(size_of(dtype));
    const auto memory = TorchUtils::calculate_tensor_memory(shown);
    EXPECT_EQ(memory.bytes, static_cast<int64_t>(places.size()) * size);
    EXPECT_EQ(memory.storage_bytes, 6 * size);
  };
  expect(tensor, {0, 1, 2, 3, 4, 5});
  expect(tensor.t(), {0, 3, 1, 4, 2, 5});
  expect(tensor.select(1, 2), {2, 5});
  expect(tensor.narrow(1, 1, 2), {1, 2, 4, 5});
  expect(TorchUtils::to_device(tensor, device), {0, 1, 2, 3, 4, 5});
  expect(TorchUtils::to_device(tensor.t(), Device{}).clone(at::MemoryFormat::Contiguous), {0, 3, 1, 4, 2, 5});
}

INSTANTIATE_TEST_SUITE_P(All, DTypes, testing::Combine(testing::ValuesIn(all_devices()), testing::ValuesIn(kStorables)),
                         [](const auto& parameters) {
                           return fmt::format("{}_{}", std::get<0>(parameters.param),
                                              to_string(std::get<1>(parameters.param).dtype));
                         });

template <typename T>
void expect_span_kept(DType dtype) {
  const std::array<T, 4> values{static_cast<T>(0), static_cast<T>(1), static_cast<T>(100), static_cast<T>(1)};
  const auto tensor = TorchUtils::create_tensor(std::span<const T>(values));
  EXPECT_EQ(tensor.scalar_type(), c10::CppTypeToScalarType<T>::value);
  EXPECT_EQ(TorchUtils::calculate_tensor_memory(tensor).bytes, 4 * static_cast<int64_t>(size_of(dtype)));
  const double third = std::is_same_v<T, bool> ? 1 : 100;
  EXPECT_EQ(TorchUtils::extract_tensor_data(tensor), (std::vector<double>{0, 1, third, 1})) << to_string(dtype);
}

TEST(TorchUtils, AnySpanOfNumbersKeepsItsType) {
  expect_span_kept<int64_t>(DType::int64);
  expect_span_kept<int32_t>(DType::int32);
  expect_span_kept<int16_t>(DType::int16);
  expect_span_kept<int8_t>(DType::int8);
  expect_span_kept<uint8_t>(DType::uint8);
  expect_span_kept<bool>(DType::boolean);
  expect_span_kept<at::Half>(DType::float16);
  expect_span_kept<at::BFloat16>(DType::bfloat16);
  expect_span_kept<float>(DType::float32);
  const std::vector<int64_t> large{(int64_t{1} << 53) + 1, -5};
  EXPECT_EQ(TorchUtils::extract_tensor_integers(TorchUtils::create_tensor(large)), large);
}

TEST(TorchUtils, ExtractsWhatHasNoStrides) {
  const auto dense = TorchUtils::create_tensor(kValues, {2, 3});
  EXPECT_EQ(TorchUtils::extract_tensor_data(dense.to_sparse()), kValues);
  const auto quantized = at::quantize_per_tensor(dense, 0.5, 100, at::kQUInt8);
  EXPECT_EQ(TorchUtils::extract_tensor_data(quantized), (std::vector<double>{-2, 0, 0.5, 1, 3, 77.5}));
  EXPECT_THROW(TorchUtils::extract_tensor_data(at::empty({2}, at::kMeta)), LMError);
  EXPECT_THROW(TorchUtils::extract_tensor_data(at::empty({2}, at::kComplexFloat)), LMError);
  EXPECT_THROW(TorchUtils::extract_tensor_data(at::Tensor()), LMError);
  EXPECT_EQ(TorchUtils::calculate_tensor_memory(at::Tensor()).bytes, 0);
}

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
