// Ctrl-C, a full disk and a memory limit, as a process of its own meets them.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "cli/train_command.h"

namespace dstorch::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr int kInterrupted = 130;

TEST(Interrupt, GenerateStopsWithinATokenAndSaysSo) {
  // Enough tokens to be still at it when the signal comes.
  // positions.
  Process process(dstorch_command({"generate", "python3-yaml\t", "--ignore-eos", "--max-tokens", "2000"}));
  ASSERT_TRUE(process.wait_for_out("\t")) << process.err();
  process.signal(SIGINT);
  const auto result = process.wait();
  EXPECT_EQ(result.exit_code, kInterrupted) << result.err << result.out;
  EXPECT_EQ(result.err.find("error"), std::string::npos) << result.err;
}

TEST_F(TrainCommand, CtrlCOrSigtermSavesAndTheSameCommandGoesOnToTheBit) {
  constexpr int kSteps = 400;
  ASSERT_EQ(run_process(train("whole", kSteps)).exit_code, 0);
  const auto weights = content(folder_ / "whole/model.safetensors");
  EXPECT_GT(weights.size(), 1000U);
  for (const int signal : {SIGINT, SIGTERM}) {
    const auto name = fmt::format("stopped-by-{}", signal);
    Process process(train(name, kSteps));
    ASSERT_TRUE(process.wait_for_err("step 3/400")) << process.err();
    process.signal(signal);
    const auto stopped = process.wait();
    EXPECT_EQ(stopped.exit_code, kInterrupted) << stopped.err;
    EXPECT_THAT(stopped.err, HasSubstr("stopped after step"));
    ASSERT_EQ(stopped.err.find("step 400/400"), std::string::npos) << "it was over before it could be stopped";

    const auto resumed = run_process(train(name, kSteps));
    EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
    EXPECT_THAT(resumed.err, HasSubstr("going on after step"));
    EXPECT_EQ(resumed.err.find("step 1/400"), std::string::npos) << "it began anew";
    EXPECT_TRUE(weights == content(folder_ / name / "model.safetensors"));
  }
}

TEST_F(TrainCommand, TakesADeviceAndAMemoryLimit) {
  auto command = train("model", 1);
  command.insert(command.end(), {"--device", "webgl", "--memory-limit", "1M"});
  const auto refused = run_process(command);
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("training does not fit into the memory limit of 1.0 MiB: weights "));
  EXPECT_FALSE(fs::exists(folder_ / "model"));
  command.back() = "1G";
  const auto done = run_process(command);
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_THAT(files_of("model"), testing::Contains("model.safetensors"));
  command.back() = "much";
  EXPECT_EQ(run_process(command).exit_code, 2);
}

TEST_F(TrainCommand, AFullDiskIsAnErrorThatLeavesNoPartialFile) {
  constexpr uint64_t kTooSmall = 100'000;  // the weights alone are 4096 x 16 floats
  const auto full = run_process(train("model", 4), {.file_size_limit = kTooSmall});
  EXPECT_EQ(full.exit_code, 1);
  EXPECT_THAT(full.err, HasSubstr("error: "));
  for (const auto& name : files_of("model")) {
    EXPECT_TRUE(name != "model.safetensors" && name != "training_state.safetensors" &&
                name.find(".tmp") == std::string::npos)
        << name;
  }
  // With room again the same command works.
  const auto again = run_process(train("model", 4));
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_TRUE(fs::exists(folder_ / "model/model.safetensors"));
}

TEST_F(TrainCommand, ADiskThatFillsUpLaterKeepsTheLastState) {
  ASSERT_EQ(run_process(train("model", 2)).exit_code, 0);
  const auto state = content(folder_ / "model/training_state.safetensors");
  const auto weights = content(folder_ / "model/model.safetensors");
  const auto full = run_process(train("model", 6), {.file_size_limit = 100'000});
  EXPECT_EQ(full.exit_code, 1) << full.err;
  EXPECT_TRUE(state == content(folder_ / "model/training_state.safetensors"));
  EXPECT_TRUE(weights == content(folder_ / "model/model.safetensors"));
}

}  // namespace
}  // namespace dstorch::test
