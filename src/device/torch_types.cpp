#include "device/torch_types.h"

#include <array>
#include <utility>

#include "core/throw.h"

namespace dstorch {
namespace {

constexpr std::array<std::pair<DType, at::ScalarType>, 12> kTypes{{
    {DType::boolean, at::kBool},
    {DType::uint8, at::kByte},
    {DType::int8, at::kChar},
    {DType::int16, at::kShort},
    {DType::int32, at::kInt},
    {DType::int64, at::kLong},
    {DType::float16, at::kHalf},
    {DType::bfloat16, at::kBFloat16},
    {DType::float32, at::kFloat},
    {DType::float64, at::kDouble},
    {DType::complex64, at::kComplexFloat},
    {DType::complex128, at::kComplexDouble},
}};

}  // namespace

at::Device to_torch(const Device& device) {
  device.require_available();
  if (device.type == DeviceType::cuda) {
    return {at::kCUDA, static_cast<at::DeviceIndex>(device.index)};
  }
  if (device.type == DeviceType::webgl) {
    return {c10::DeviceType::PrivateUse1, 0};
  }
  return {at::kCPU};
}

at::ScalarType to_torch(DType dtype) {
  for (const auto& [ours, theirs] : kTypes) {
    if (ours == dtype) {
      return theirs;
    }
  }
  fail(ErrorKind::unsupported, "{} tensors can be listed but not computed with; convert them to float32 first",
       to_string(dtype));
}

DType from_torch(at::ScalarType type) {
  for (const auto& [ours, theirs] : kTypes) {
    if (theirs == type) {
      return ours;
    }
  }
  fail(ErrorKind::unsupported, "tensors of type {} cannot be stored in a checkpoint", at::toString(type));
}

}  // namespace dstorch
