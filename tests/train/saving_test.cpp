// What saving takes of the CPU's memory when a model is elsewhere, or saved in another dtype.
#include <gtest/gtest.h>
#include <torch/nn/module.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "device/memory_account.h"
#include "device/torch_types.h"
#include "dstorch/checkpoint.h"
#include "support/devices.h"
#include "train/model_directory.h"
#include "train/step.h"
#include "train/training_state.h"

namespace dstorch::training {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kInputs = 64;
constexpr int64_t kOutputs = 300;

class Saving : public testing::TestWithParam<std::string> {
 protected:
  Saving() {
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "narrow");
    memory_use(device_);
    for (const char* name : {"first", "second", "third"}) {
      model_.register_parameter(name, at::randn({kInputs, kOutputs}).to(to_torch(device_)));
    }
  }
  ~Saving() override { fs::remove_all(folder_); }

  /// The most that `work` holds at once in tensors on the CPU.
  template <typename Work>
  static int64_t most_on_the_cpu(Work&& work) {
    const auto account = std::make_shared<MemoryAccount>();
    const MemoryScope scope(account, MemoryKind::other);
    work();
    return account->use({}).total.peak;
  }

  const Device device_ = Device::parse(GetParam());
  const fs::path folder_ = fs::temp_directory_path() / ("dstorch_saving_test_" + std::to_string(::getpid()));
  torch::nn::Module model_;
};

TEST_P(Saving, TakesNoMoreThanOneTensor) {
  ModelFiles files;
  files.config = OrderedJson::object();
  files.run_mark = "this run";
  constexpr int64_t kLargest = kInputs * kOutputs;
  EXPECT_LE(most_on_the_cpu([&] { write_model_directory(folder_, model_, files, DType::float32); }),
            kLargest * int64_t{sizeof(float)});
  const auto narrow =
      most_on_the_cpu([&] { write_model_directory(folder_ / "narrow", model_, files, DType::float16); });
  EXPECT_GT(narrow, 0);
  EXPECT_LE(narrow, kLargest * int64_t{sizeof(float) + 2});
  const auto saved = Checkpoint::open(folder_ / "model.safetensors");
  EXPECT_EQ(saved->tensors().size(), 3U);
  EXPECT_EQ(saved->metadata().at("dstorch_run"), "this run");
  for (const auto& entry : model_.named_parameters()) {
    const auto* view = saved->find(entry.key());
    ASSERT_NE(view, nullptr) << entry.key();
    const auto here = entry.value().detach().cpu().contiguous();
    ASSERT_EQ(view->bytes(), here.nbytes());
    EXPECT_EQ(std::memcmp(view->data(), here.data_ptr(), view->bytes()), 0) << entry.key();
  }
}

TEST_P(Saving, AStateTakesNoMoreThanOneTensor) {
  Optimizer optimizer(parameters_of(model_), {});
  for (auto& parameter : model_.parameters()) {
    parameter.mutable_grad() = at::ones_like(parameter);
  }
  optimizer.step(0);
  EXPECT_LE(most_on_the_cpu([&] { save_training_state(folder_ / "state", parameters_of(model_), optimizer, {}, {}); }),
            kInputs * kOutputs * int64_t{sizeof(float)});
  EXPECT_EQ(Checkpoint::open(folder_ / "state")->tensors().size(), 10U) << "and the checksum";
}

INSTANTIATE_TEST_SUITE_P(All, Saving, testing::ValuesIn(all_devices()),
                         [](const auto& device) { return device.param; });

}  // namespace
}  // namespace dstorch::training
