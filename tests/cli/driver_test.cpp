#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "cli/command.h"

namespace dstorch::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

/// The command with a driver of webgl that crashes.
class CrashingDriver : public testing::Test {
 protected:
  CrashingDriver() {
    ::setenv("DSTORCH_EGL_LIBRARY", (build_dir() / "tests/libminimal_egl.so").c_str(), 1);
    ::setenv("DSTORCH_TEST_DRIVER", "initialize crash", 1);
    ::unsetenv("DSTORCH_WEBGL_TRIAL");
  }
  ~CrashingDriver() override {
    for (const char* name : {"DSTORCH_EGL_LIBRARY", "DSTORCH_TEST_DRIVER"}) {
      ::unsetenv(name);
    }
  }
};

TEST_F(CrashingDriver, DevicesSaysWhatHappened) {
  const auto result = dstorch({"devices"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, StartsWith("cpu "));
  EXPECT_THAT(result.out,
              HasSubstr("webgl   not usable\n"
                        "        device webgl has a driver that crashed (Segmentation fault) while a context "
                        "was opened."));
}

TEST_F(CrashingDriver, WhatAsksForTheDeviceFailsInALine) {
  const auto result = dstorch({"generate", "a", "--max-tokens", "1", "--device", "webgl"});
  EXPECT_EQ(result.exit_code, 1) << result.err;
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, StartsWith("error: "));
  EXPECT_THAT(result.err, HasSubstr("crashed (Segmentation fault)"));
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
}

}  // namespace
}  // namespace dstorch::test
