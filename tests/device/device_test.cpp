#include "dstorch/device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/cuda.h>
#include <torch/version.h>

#include "device/torch_types.h"
#include "device/webgl/webgl.h"
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

TEST(Device, CudaSaysWhichLibTorchAndWhatToInstall) {
  if (torch::cuda::is_available()) {
    GTEST_SKIP() << "there is one";
  }
  try {
    Device::parse("cuda:1").require_available();
    FAIL();
  } catch (const LMError& e) {
    EXPECT_EQ(e.kind(), ErrorKind::unsupported);
    EXPECT_THAT(e.what(), testing::StartsWith("device cuda:1 needs "));
    EXPECT_THAT(e.what(), testing::HasSubstr(std::string("LibTorch ") + TORCH_VERSION));
    EXPECT_THAT(e.what(), testing::HasSubstr("Install "));
  }
}

TEST(Device, ListsEveryKindWithWhatItIsOrWhyNot) {
  const auto devices = list_devices();
  ASSERT_GE(devices.size(), 3U);
  EXPECT_EQ(devices.front().device, (Device{}));
  EXPECT_EQ(devices[1].device, (Device{DeviceType::cuda, 0}));
  EXPECT_EQ(devices.back().device.type, DeviceType::webgl);
  for (const auto& info : devices) {
    EXPECT_EQ(info.usable, info.reason.empty());
    EXPECT_EQ(info.usable, !info.name.empty());
    if (info.usable) {
      EXPECT_NO_THROW(info.device.require_available());
    } else {
      EXPECT_THROW(info.device.require_available(), LMError);
    }
  }
  EXPECT_TRUE(devices.front().usable);
  EXPECT_GT(devices.front().memory, devices.front().memory_available);
  EXPECT_GT(devices.front().memory_available, 0);
}

TEST(Device, TheBestIsUsableAndNoProcessorInDisguise) {
  const auto best = Device::best();
  EXPECT_NO_THROW(best.require_available());
  if (torch::cuda::is_available()) {
    EXPECT_EQ(best.type, DeviceType::cuda);
  } else if (!webgl::why_unavailable().empty() || webgl::describe().software) {
    EXPECT_EQ(best, (Device{}));
  } else {
    EXPECT_EQ(best.type, DeviceType::webgl);
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
