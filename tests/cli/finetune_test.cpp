// `dstorch finetune` and `dstorch merge` as processes: killed, on a full disk, two at once, and what is then run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "cli/train_command.h"

namespace dstorch::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr int kKilled = 128 + 9;

int finetune_kills() {
  const char* text = std::getenv("DSTORCH_KILLS");
  return text == nullptr ? 6 : std::atoi(text);
}

class FinetuneCommand : public testing::Test {
 protected:
  FinetuneCommand() : folder_(fs::temp_directory_path() / ("dstorch_finetune_command_" + std::to_string(::getpid()))) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    std::ofstream data(folder_ / "data.jsonl");
    for (int i = 0; i < 40; ++i) {
      data << R"({"prompt": "thing )" << i << R"( is", "completion": ")" << (i % 2 == 0 ? " even" : " odd") << "\"}\n";
    }
  }
  ~FinetuneCommand() override { fs::remove_all(folder_); }

  [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).string(); }

  [[nodiscard]] std::vector<std::string> finetune(const std::string& output, int steps,
                                                  const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words{"finetune",
                                   "-m",
                                   (source_dir() / "tests/parity/fixtures/text/model").string(),
                                   "--data",
                                   path("data.jsonl"),
                                   "-o",
                                   path(output),
                                   "--steps",
                                   std::to_string(steps),
                                   "--batch-size",
                                   "4",
                                   "--lora-rank",
                                   "4",
                                   "--save-every",
                                   "1",
                                   "--lr",
                                   "5e-3",
                                   "--lora-dropout",
                                   "0.1",
                                   "--threads",
                                   "1",
                                   "--bf16",
                                   "off",
                                   "--log-every",
                                   "1"};
    words.insert(words.end(), more.begin(), more.end());
    return dstorch_command(words);
  }

  fs::path folder_;
};

TEST_F(FinetuneCommand, KilledAtAnyMomentGoesOnToTheBit) {
  constexpr int kSteps = 150;
  ASSERT_EQ(run_process(finetune("whole", kSteps)).exit_code, 0);
  const auto adapter = content(folder_ / "whole/adapter_model.safetensors");
  const auto state = content(folder_ / "whole/training_state.safetensors");
  ASSERT_GT(adapter.size(), 1000U);
  std::minstd_rand random(std::random_device{}());
  int went_on = 0;
  for (int hits = 0; hits < finetune_kills() && !HasFailure();) {
    Process process(finetune("killed", kSteps));
    if (random() % 2 == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(random() % 1000));
    } else {
      static_cast<void>(process.wait_for_err("step "));  // it may have ended before
      std::this_thread::sleep_for(std::chrono::milliseconds(random() % 100));
    }
    process.kill();
    const auto result = process.wait();
    EXPECT_TRUE(result.exit_code == kKilled || result.exit_code == 0) << result.exit_code << ' ' << result.err;
    went_on += result.err.find("going on after step") != std::string::npos ? 1 : 0;
    if (result.exit_code == kKilled) {
      ++hits;
    } else {
      EXPECT_TRUE(content(folder_ / "killed/adapter_model.safetensors") == adapter);
      fs::remove_all(folder_ / "killed");
    }
  }
  const auto last = run_process(finetune("killed", kSteps));
  EXPECT_EQ(last.exit_code, 0) << last.err;
  EXPECT_TRUE(content(folder_ / "killed/adapter_model.safetensors") == adapter);
  EXPECT_TRUE(content(folder_ / "killed/training_state.safetensors") == state);
  EXPECT_GT(went_on, 0);
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder_ / "killed")) {
    names.push_back(entry.path().filename().string());
  }
  EXPECT_THAT(names, testing::UnorderedElementsAre("training_state.safetensors", "training_state.previous.safetensors",
                                                   "adapter_model.safetensors", "adapter_config.json", "metrics.jsonl",
                                                   "loss.svg", "report.md"))
      << "something was left over";
  // A finished run says so.
  const auto again = run_process(finetune("killed", kSteps));
  EXPECT_EQ(again.exit_code, 0);
  EXPECT_THAT(again.err, HasSubstr("is finished: 150 steps"));
}

TEST_F(FinetuneCommand, AFullDiskCostsNothingThatWasSaved) {
  const auto whole = run_process(finetune("whole", 8));
  ASSERT_EQ(whole.exit_code, 0) << whole.err;
  const auto size = fs::file_size(folder_ / "whole/training_state.safetensors");
  // The state grows with the first step, by the optimizer's moments: there is room for the first state alone.
  ProcessOptions full;
  full.file_size_limit = size / 2;
  const auto result = run_process(finetune("full", 8), full);
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("error: "));
  EXPECT_TRUE(fs::exists(folder_ / "full/training_state.safetensors") ||
              fs::exists(folder_ / "full/training_state.previous.safetensors"));
  const auto again = run_process(finetune("full", 8));
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_TRUE(content(folder_ / "full/adapter_model.safetensors") ==
              content(folder_ / "whole/adapter_model.safetensors"));
}

TEST_F(FinetuneCommand, SigtermSavesAndASecondRunIsRefusedMeanwhile) {
  Process first(finetune("run", 1000000));
  ASSERT_TRUE(first.wait_for_err("step ")) << first.err();
  const auto second = run_process(finetune("run", 1000000));
  EXPECT_EQ(second.exit_code, 2) << second.err;
  EXPECT_THAT(second.err, HasSubstr("another run is training into"));
  first.signal(SIGTERM);
  const auto stopped = first.wait();
  EXPECT_EQ(stopped.exit_code, 130) << stopped.err;
  EXPECT_THAT(stopped.err, HasSubstr("the same command goes on from there"));
  const auto other = run_process(finetune("run", 999999));
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_THAT(other.err, HasSubstr("steps was 1000000 and is 999999"));
}

TEST_F(FinetuneCommand, WhatItMadeRunsAndMerges) {
  ASSERT_EQ(run_process(finetune("adapter", 60, {"--epochs", "2"})).exit_code, 2) << "steps or epochs";
  ASSERT_EQ(run_process(finetune("adapter", 60)).exit_code, 0);
  const auto model = (source_dir() / "tests/parity/fixtures/text/model").string();
  const auto logits = [&](const std::vector<std::string>& where) {
    std::vector<std::string> words{"logits", "thing 3 is", "--json"};
    words.insert(words.end(), where.begin(), where.end());
    const auto result = dstorch(words);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return nlohmann::json::parse(result.out)["logits"].get<std::vector<double>>();
  };
  const auto merged = dstorch({"merge", "-m", model, "--adapter", path("adapter"), "-o", path("merged")});
  EXPECT_EQ(merged.exit_code, 0) << merged.err;
  const auto apart = logits({"-m", model, "--adapter", path("adapter")});
  const auto whole = logits({"-m", path("merged")});
  const auto base = logits({"-m", model});
  double range = 0;
  double difference = 0;
  double change = 0;
  for (std::size_t i = 0; i < apart.size(); ++i) {
    range = std::max(range, std::abs(apart[i]));
    difference = std::max(difference, std::abs(apart[i] - whole[i]));
    change = std::max(change, std::abs(apart[i] - base[i]));
  }
  EXPECT_LT(difference, 1e-4 * range);
  EXPECT_GT(change, 0.05 * range);
  const auto again = dstorch({"merge", "-m", model, "--adapter", path("adapter"), "-o", path("merged")});
  EXPECT_EQ(again.exit_code, 2);
  EXPECT_THAT(again.err, HasSubstr("--overwrite"));
}

}  // namespace
}  // namespace dstorch::test
