#include "dstorch/device.h"

#include <gtest/gtest.h>

#include "device/torch_types.h"
#include "dstorch/error.h"

namespace dstorch {
namespace {

TEST(Device, ReadsAndPrintsItsSpellings) {
  EXPECT_EQ(Device::parse("cpu"), (Device{DeviceType::cpu, 0}));
  EXPECT_EQ(Device::parse("cuda"), (Device{DeviceType::cuda, 0}));
  EXPECT_EQ(Device::parse("cuda:3"), (Device{DeviceType::cuda, 3}));
  EXPECT_EQ(Device::parse("webgl"), (Device{DeviceType::webgl, 0}));
  EXPECT_EQ(Device::parse("cuda:3").to_string(), "cuda:3");
  EXPECT_EQ(Device::parse("cpu").to_string(), "cpu");
}

TEST(Device, RefusesOtherSpellings) {
  for (const char* text : {"", "gpu", "CPU", "cuda:", "cuda:-1", "cuda:1x", "cpu:0", "cuda:99999999999"}) {
    try {
      Device::parse(text);
      FAIL() << "accepted " << text;
    } catch (const LMError& e) {
      EXPECT_EQ(e.kind(), ErrorKind::invalid_argument);
    }
  }
}

TEST(Device, SaysWhatIsMissing) {
  EXPECT_NO_THROW(Device{}.require_available());
  try {
    Device::parse("cuda:99").require_available();
    FAIL();
  } catch (const LMError& e) {
    EXPECT_NE(std::string(e.what()).find("cuda:99"), std::string::npos) << e.what();
  }
}

TEST(TorchTypes, MapBothWays) {
  for (const DType dtype : {DType::boolean, DType::uint8, DType::int8, DType::int16, DType::int32, DType::int64,
                            DType::float16, DType::bfloat16, DType::float32, DType::float64, DType::complex64}) {
    EXPECT_EQ(from_torch(to_torch(dtype)), dtype);
    EXPECT_EQ(at::elementSize(to_torch(dtype)), size_of(dtype));
  }
  EXPECT_THROW(to_torch(DType::float8_e5m2), LMError);
}

}  // namespace
}  // namespace dstorch
