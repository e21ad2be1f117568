// What passes through adapters are planned with, against what they take.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/atomic_file.h"
#include "core/json.h"
#include "device/memory_account.h"
#include "driver/generation_memory.h"
#include "driver/plan_checks.h"
#include "driver/test_models.h"
#include "dstorch/checkpoint.h"
#include "dstorch/torch_model.h"
#include "models/registry.h"
#include "support/temporary_folder.h"
#include "train/tensor_views.h"
#include "train/trainable_adapter.h"

namespace dstorch {
namespace {

namespace fs = std::filesystem;
using test::greedy;
using test::load;

/// A model of random weights in a folder, and an adapter of each rank beside it.
class AdapterPasses : public testing::TestWithParam<int64_t> {
 protected:
  AdapterPasses() {
    at::manual_seed(1);
    nn::FreshWeights weights(at::kFloat);
    const auto model = models::create_model(config_, weights);
    std::vector<TensorView> views;
    {
      const at::NoGradGuard no_grad;
      for (auto& entry : model->named_parameters()) {
        auto& tensor = entry.value();
        tensor.dim() == 1 ? tensor.fill_(1) : tensor.normal_(0, 0.02);
        views.push_back(training::view_of(tensor));
        views.back().name = entry.key();
      }
    }
    fs::create_directories(path_ / "model");
    fs::create_directories(path_ / "adapter");
    save_safetensors(path_ / "model/model.safetensors", views, {{"format", "pt"}});
    write_file(path_ / "model/config.json", config_.dump());
    engine::LoraConfig lora;
    lora.rank = GetParam();
    training::TrainableAdapter(*model, lora, training::target_layers(*model, {"all-linear"}), 1)
        .save(path_ / "adapter");
  }

  test::TemporaryFolder folder_;
  fs::path path_ = folder_.path();
  Json config_ = test::llama_shape(300, 128, 344, 2, 4, 2, true);
};

TEST_P(AdapterPasses, TakeWhatIsPlannedForTheirRank) {
  constexpr int64_t kRows = 256;
  const TorchModelConfig config{.model_path = path_ / "model", .prefix_cache = false, .threads = 1};
  const auto model = load({.model_path = path_ / "model", .prefix_cache = false, .threads = 1});
  model->attach_adapter("a", path_ / "adapter");
  auto options = greedy(1);
  options.adapter = "a";
  const std::vector<int64_t> prompt(kRows, 5);
  model->complete(prompt, options);
  const auto use = model->memory();
  const auto measured = static_cast<double>(use[MemoryKind::activations].peak + use[MemoryKind::other].peak);

  const auto checkpoint = Checkpoint::open(path_ / "model");
  const auto outline = models::outline(config_, checkpoint, DType::float32, /*convert=*/false);
  const auto pass = driver::memory_bounds(outline, config, nullptr).pass;
  const auto planned = static_cast<double>(pass(kRows, kRows + 1, 1, GetParam()));
  EXPECT_NEAR(planned, measured, 0.1 * measured);
  EXPECT_GE(planned, measured) << "a bound";
  EXPECT_LT(static_cast<double>(pass(kRows, kRows + 1, 1, 0)), 0.9 * measured) << "adapters take something";
}

/// A call that fits by its plan does so in truth: nothing is refused while it runs.
TEST_P(AdapterPasses, ACallThatIsAdmittedKeepsToTheLimit) {
  const auto path = path_ / "model";
  const std::vector<int64_t> prompt(256, 5);
  auto options = greedy(4);
  options.adapter = "a";
  const auto unlimited = load({.model_path = path, .prefix_cache = false, .threads = 1});
  unlimited->attach_adapter("a", path_ / "adapter");
  const auto expected = unlimited->complete(prompt, options).tokens;
  const auto peak = unlimited->memory().total.peak;
  // From far too little to enough: each call is refused by its plan, or runs.
  int ran = 0;
  int refused = 0;
  for (const auto limit : {peak - peak / 4, peak - peak / 10, peak, peak + peak / 8, 2 * peak}) {
    const auto model = load({.model_path = path, .prefix_cache = false, .threads = 1, .memory_limit = limit});
    model->attach_adapter("a", path_ / "adapter");
    try {
      EXPECT_EQ(model->complete(prompt, options).tokens, expected);
      EXPECT_LE(model->memory().total.peak, limit);
      ++ran;
    } catch (const LMError& error) {
      EXPECT_EQ(error.kind(), ErrorKind::out_of_memory);
      EXPECT_THAT(std::string(error.what()), testing::HasSubstr("would pass the memory limit"));
      ++refused;
    }
  }
  EXPECT_GT(ran, 0);
  EXPECT_GT(refused, 0);
}

INSTANTIATE_TEST_SUITE_P(Ranks, AdapterPasses, testing::Values(8, 64, 256, 512),
                         [](const auto& rank) { return std::to_string(rank.param); });

}  // namespace
}  // namespace dstorch
