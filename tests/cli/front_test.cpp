// What needs no tensors comes without LibTorch, at once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "cli/command.h"

namespace dstorch::test {
namespace {

using testing::HasSubstr;
using testing::Not;

std::vector<std::vector<std::string>> light_commands() {
  const auto model = (source_dir() / "models/default").string();
  return {{"--help"},
          {"--version"},
          {"generate", "--help"},
          {"generat"},
          {"tokenize", "python3-yaml", "--json"},
          {"tokenize", "--decode", "389,1616"},
          {"inspect", model},
          {"inspect", model, "--json"}};
}

/// Every shared object that the dynamic linker loads for the command, as it tells it itself.
std::string loaded_by(const std::vector<std::string>& arguments) {
  auto words = dstorch_command(arguments);
  words.insert(words.begin(), {"/bin/sh", "-c", "export LD_DEBUG=files; exec \"$@\"", "sh"});
  return run_process(words).err;
}

TEST(Front, LoadsNoLibTorch) {
  for (const auto& arguments : light_commands()) {
    const auto loaded = loaded_by(arguments);
    EXPECT_THAT(loaded, HasSubstr("libc.so.6")) << "it says nothing";
    for (const char* library : {"libtorch", "libc10", "libgomp", "libopenblas"}) {
      EXPECT_THAT(loaded, Not(HasSubstr(library))) << testing::PrintToString(arguments);
    }
  }
  // The commands that compute do, by which the test could tell.
  EXPECT_THAT(loaded_by({"plan"}), HasSubstr("libtorch"));
}

TEST(Front, IsThereAtOnce) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizers take their time";
#endif
  for (const auto& arguments : light_commands()) {
    // The best of a few: the machine may have other work.
    double best = 1;
    for (int i = 0; i < 20 && best >= 0.06; ++i) {
      const auto start = std::chrono::steady_clock::now();
      dstorch(arguments);
      best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    EXPECT_LT(best, 0.06) << testing::PrintToString(arguments);
  }
}

TEST(Front, SaysWhatIsMissingWhenItStandsAlone) {
  const auto folder = std::filesystem::path(testing::TempDir()) / "dstorch_alone";
  std::filesystem::create_directories(folder);
  const auto alone = folder / "dstorch";
  std::filesystem::copy_file(build_dir() / "dstorch", alone, std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(run_process({alone.string(), "tokenize", "x"}).exit_code, 0);
  const auto result = run_process({alone.string(), "generate", "x"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("error: cannot start "));
  EXPECT_THAT(result.err, HasSubstr("libexec/dstorch/dstorch, the part of dstorch that computes: No such file"));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace dstorch::test
