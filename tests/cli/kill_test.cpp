// Training that is killed at random moments goes on to the same end, to the bit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <random>
#include <thread>

#include "cli/train_command.h"

namespace dstorch::test {
namespace {

constexpr int kKilled = 128 + 9;
constexpr int kSteps = 300;

/// How often to kill: $DSTORCH_KILLS, else as often as there is time for in every run of the tests.
int kills() {
  const char* text = std::getenv("DSTORCH_KILLS");
  return text == nullptr ? 10 : std::atoi(text);
}

class KilledTraining : public TrainCommand {
 protected:
  KilledTraining() : random_(std::random_device{}()) {}

  /// Kills a run at a moment somewhere between its start and its end: half of the time any, half of the time one at
  /// which it is learning and saving. False when it ended first.
  bool kill_one() {
    using std::chrono::milliseconds;
    Process process(train("killed", kSteps, 1));
    if (random_() % 2 == 0) {
      std::this_thread::sleep_for(milliseconds(random_() % 1200));
    } else {
      (void)process.wait_for_err("step ");
      std::this_thread::sleep_for(milliseconds(random_() % 100));
    }
    process.kill();
    const auto result = process.wait();
    EXPECT_TRUE(result.exit_code == kKilled || result.exit_code == 0) << result.exit_code << ' ' << result.err;
    went_on_ += result.err.find("going on after step") != std::string::npos ? 1 : 0;
    return result.exit_code == kKilled;
  }

  /// What the state says about its step, without reading the rest; -1 where a run was killed before it had one.
  [[nodiscard]] int saved_step() const {
    constexpr std::size_t kHeader = 4096;
    const auto state = content(folder_ / "killed/training_state.safetensors").substr(0, kHeader);
    const auto at = state.find(R"("step":")");
    return at == std::string::npos ? -1 : std::atoi(state.c_str() + at + 8);
  }

  std::minstd_rand random_;
  int went_on_ = 0;
};

TEST_F(KilledTraining, GoesOnToTheBit) {
  ASSERT_EQ(run_process(train("whole", kSteps)).exit_code, 0);
  const auto state = content(folder_ / "whole/training_state.safetensors");
  const auto weights = content(folder_ / "whole/model.safetensors");
  ASSERT_GT(state.size(), 1000U);
  ASSERT_GT(weights.size(), 1000U);
  int hits = 0;
  int rounds = 1;
  int last_step = -1;
  while (hits < kills() && !HasFailure()) {
    if (kill_one()) {
      ++hits;
      const int step = saved_step();
      EXPECT_GE(step, last_step) << "it fell back";
      last_step = step;
      continue;
    }
    // It came to the end: begin anew, as long as there is somebody to kill.
    EXPECT_TRUE(content(folder_ / "killed/model.safetensors") == weights) << "round " << rounds;
    std::filesystem::remove_all(folder_ / "killed");
    last_step = -1;
    ++rounds;
  }
  const auto last = run_process(train("killed", kSteps, 1));
  EXPECT_EQ(last.exit_code, 0) << last.err;
  EXPECT_TRUE(content(folder_ / "killed/training_state.safetensors") == state);
  EXPECT_TRUE(content(folder_ / "killed/model.safetensors") == weights);
  EXPECT_THAT(files_of("killed"), testing::UnorderedElementsAre(
                                      "training_state.safetensors", "model.safetensors", "config.json", "metrics.jsonl",
                                      "loss.svg", "tokenizer.json", "tokenizer_config.json", "generation_config.json"))
      << "something was left over";
  EXPECT_GT(went_on_, 0) << "no run had anything to go on from";
  RecordProperty("hits", hits);
  RecordProperty("rounds", rounds);
}

}  // namespace
}  // namespace dstorch::test
