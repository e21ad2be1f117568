#include "device/webgl/driver_trial.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <mutex>

#include "device/webgl/vendors.h"
#include "device/webgl/webgl.h"
#include "dstorch/device.h"
#include "dstorch/error.h"
#include "dstorch/log.h"

namespace dstorch::webgl {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::chrono::seconds kLimit{60};

/// The environment variables that the tests set, as they were before. What the library logs meanwhile.
class DriverTrial : public testing::Test {
 protected:
  DriverTrial() {
    set("DSTORCH_EGL_LIBRARY", DSTORCH_TEST_EGL);
    set_log_callback([this](LogLevel, std::string_view message) { logged_.append(message).append("\n"); });
  }
  ~DriverTrial() override {
    set_log_callback({});
    for (const auto& [name, value] : before_) {
      value ? ::setenv(name.c_str(), value->c_str(), 1) : ::unsetenv(name.c_str());
    }
  }
  void set(const std::string& name, const std::string& value) {
    const char* now = std::getenv(name.c_str());
    before_.try_emplace(name, now == nullptr ? std::nullopt : std::optional<std::string>(now));
    ::setenv(name.c_str(), value.c_str(), 1);
  }
  std::string try_one_that(const char* fails, std::chrono::seconds limit = kLimit) {
    set("DSTORCH_TEST_DRIVER", fails);
    return try_driver(DSTORCH_TEST_TRIAL, limit);
  }
  std::string logged_;

 private:
  std::map<std::string, std::optional<std::string>> before_;
};

TEST_F(DriverTrial, AGoodDriverSurvives) {
  EXPECT_EQ(try_one_that(""), "");
  EXPECT_EQ(logged_, "");
}

TEST_F(DriverTrial, SaysHowAndWhereADriverFails) {
  EXPECT_EQ(try_one_that("initialize crash"), "crashed (Segmentation fault) while a context was opened");
  EXPECT_EQ(try_one_that("shader crash"), "crashed (Segmentation fault) while a shader ran");
  EXPECT_EQ(try_one_that("initialize abort"),
            "crashed (Aborted) while a context was opened; it said \"the driver has lost its mind\"");
  EXPECT_EQ(try_one_that("initialize exit"), "ended the program with status 3 while a context was opened");
}

TEST_F(DriverTrial, ADriverThatHangsIsEnded) {
  EXPECT_THAT(try_one_that("initialize hang", std::chrono::seconds(1)),
              StartsWith("did not answer within 1 s while a context was opened"));
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "the helper was left behind";
}

TEST_F(DriverTrial, ADriverThatRefusesInGoodOrderIsNotTakenForOneThatCrashes) {
  set("DSTORCH_EGL_LIBRARY", "libno_such_egl.so");
  EXPECT_EQ(try_one_that(""), "");
}

TEST_F(DriverTrial, WorksInAProgramThatIgnoresAndBlocksSignals) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, &before);
  const auto chld = ::signal(SIGCHLD, SIG_IGN);  // the system reaps what ends: nobody learns how
  EXPECT_THAT(try_one_that("initialize crash"), HasSubstr("while a context was opened"));
  EXPECT_EQ(try_one_that(""), "");
  ::signal(SIGCHLD, chld);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST_F(DriverTrial, AHelperThatDoesNotRunIsLoggedAndNoFault) {
  EXPECT_EQ(try_driver("/nowhere/webgl-trial", kLimit), "");
  EXPECT_THAT(logged_, HasSubstr("/nowhere/webgl-trial does not run"));
  logged_.clear();
  EXPECT_EQ(try_driver("/bin/false", kLimit), "");
  EXPECT_THAT(logged_, HasSubstr("/bin/false does not run"));
}

TEST_F(DriverTrial, FindsItsHelper) {
  ::unsetenv("DSTORCH_WEBGL_TRIAL");
  const auto found = find_trial_program();
  ASSERT_TRUE(found);
  EXPECT_TRUE(fs::exists(*found));
  set("DSTORCH_WEBGL_TRIAL", "/somewhere/else");
  EXPECT_EQ(find_trial_program(), fs::path("/somewhere/else"));
  set("DSTORCH_WEBGL_TRIAL", "off");
  EXPECT_EQ(find_trial_program(), std::nullopt);
}

/// In programs of their own, since the verdict holds for the whole of one.
using DriverTrialDeathTest = DriverTrial;

TEST_F(DriverTrialDeathTest, TheLibrarySaysWhatHappenedAndGoesOn) {
  const auto ask = [&] {
    set("DSTORCH_WEBGL_TRIAL", DSTORCH_TEST_TRIAL);
    set("DSTORCH_TEST_DRIVER", "shader crash");
    const std::string want =
        "device webgl has a driver that crashed (Segmentation fault) while a shader ran. It was tried in a process of "
        "its own. Update it or choose another (docs/devices.md), or use --device cpu";
    for (int twice = 0; twice < 2; ++twice) {
      try {
        Device::parse("webgl").require_available();
        std::_Exit(1);
      } catch (const LMError& e) {
        if (e.kind() != ErrorKind::unsupported || e.what() != want) {
          std::_Exit(2);
        }
      }
    }
    const auto devices = list_devices();
    std::_Exit(devices.back().usable || devices.back().reason != want || !devices.front().usable ? 3 : 0);
  };
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(ask(), testing::ExitedWithCode(0), "");
}

TEST_F(DriverTrial, KnowsTheVendorsThatGlvndKnows) {
  const auto folder = fs::temp_directory_path() / ("dstorch_vendors_" + std::to_string(::getpid()));
  fs::create_directories(folder);
  const auto write = [&](const char* name, const char* text) {
    std::ofstream(folder / name) << text;
    return (folder / name).string();
  };
  const auto mesa =
      write("50_mesa.json", R"({"file_format_version": "1.0.0", "ICD": {"library_path": "libEGL_mesa.so.0"}})");
  const auto gpu =
      write("10_gpu.json", R"({"file_format_version": "1.0.0", "ICD": {"library_path": "/opt/libEGL_gpu.so"}})");
  write("20_broken.json", R"({"ICD": )");
  write("30_other.json", R"({"ICD": {}})");
  write("readme.txt", R"({"ICD": {"library_path": "libEGL_text.so"}})");
  using Names = std::vector<std::string>;
  set("__EGL_VENDOR_LIBRARY_DIRS", "/nowhere:" + folder.string());
  EXPECT_EQ(vendor_libraries(), (Names{"/opt/libEGL_gpu.so", "libEGL_mesa.so.0"}));
  set("__EGL_VENDOR_LIBRARY_FILENAMES", mesa + ":" + gpu);
  EXPECT_EQ(vendor_libraries(), (Names{"libEGL_mesa.so.0", "/opt/libEGL_gpu.so"}));
  fs::remove_all(folder);
}

}  // namespace
}  // namespace dstorch::webgl
