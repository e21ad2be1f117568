// Training against PyTorch and Hugging Face transformers; tools/make_training_fixtures.py made the reference.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <filesystem>

#include "core/json.h"
#include "dstorch/checkpoint.h"
#include "dstorch/error.h"
#include "models/registry.h"
#include "support/paths.h"
#include "support/tolerances.h"
#include "train/schedule.h"
#include "train/step.h"
#include "train/window_pass.h"

namespace dstorch::training {
namespace {

using test::Compared;

const std::filesystem::path kFixture = test::source_dir() / "tests/data/training";

at::Tensor read(const Checkpoint& file, const std::string& name) {
  const auto* view = file.find(name);
  EXPECT_NE(view, nullptr) << name;
  const auto type = view->dtype == DType::int64 ? at::kLong : at::kFloat;
  return at::from_blob(const_cast<std::byte*>(view->data()), view->shape, type).clone();
}

class TrainingParity : public testing::Test {
 protected:
  TrainingParity()
      : file_(Checkpoint::open(kFixture / "steps.safetensors")), expected_(read_json(kFixture / "expected.json")) {
    nn::FreshWeights weights(at::kFloat);
    model_ = models::create_model(read_json(kFixture / "config.json"), weights);
    const at::NoGradGuard no_grad;
    for (auto& entry : model_->named_parameters()) {
      entry.value().copy_(read(*file_, "weight:" + entry.key()));
    }
    tokens_ = read(*file_, "tokens");  // [steps, batch, seq + 1]
  }

  [[nodiscard]] Batch batch(int64_t step) const {
    const auto rows = tokens_.select(0, step);
    const auto seq = rows.size(1) - 1;
    return {rows.narrow(1, 0, seq).contiguous(), rows.narrow(1, 1, seq).contiguous()};
  }

  std::shared_ptr<const Checkpoint> file_;
  Json expected_;
  std::shared_ptr<models::LanguageModel> model_;
  at::Tensor tokens_;
};

TEST_F(TrainingParity, EveryGradientOfTheFirstStep) {
  const auto first = batch(0);
  learn_windows(*model_, parameters_of(*model_), first, /*bfloat16=*/false, 1);
  int compared = 0;
  for (const auto& entry : model_->named_parameters()) {
    const auto wanted = read(*file_, "grad:" + entry.key());
    ASSERT_TRUE(entry.value().grad().defined()) << entry.key();
    const auto scale = wanted.abs().max().item<double>();
    const auto difference = (entry.value().grad() - wanted).abs().max().item<double>();
    EXPECT_GT(scale, 0) << entry.key();
    EXPECT_LE(difference, test::tolerance(Compared::gradient) * scale) << entry.key();
    ++compared;
  }
  EXPECT_EQ(compared, 20);  // Two layers of nine, the tied embedding, the last norm.
}

TEST_F(TrainingParity, TenStepsOfAdamW) {
  AdamWSettings settings;
  settings.beta1 = expected_["betas"][0];
  settings.beta2 = expected_["betas"][1];
  settings.eps = expected_["eps"];
  settings.weight_decay = expected_["weight_decay"];
  const auto steps = static_cast<int64_t>(expected_["losses"].size());
  const Schedule schedule{expected_["peak"], expected_["minimum"], expected_["warmup_steps"], steps};
  const auto parameters = parameters_of(*model_);
  Optimizer optimizer(parameters, settings);
  for (int64_t step = 0; step < steps; ++step) {
    const auto index = static_cast<std::size_t>(step);
    EXPECT_NEAR(schedule.at(step), expected_["learning_rates"][index].get<double>(), 1e-12);
    const auto loss = learn_windows(*model_, parameters, batch(step), /*bfloat16=*/false, step + 1);
    const auto norm = update(parameters, optimizer, schedule.at(step), expected_["clip_norm"], loss, step + 1);
    EXPECT_NEAR(loss, expected_["losses"][index].get<double>(), test::tolerance(Compared::loss)) << "step " << step;
    EXPECT_NEAR(norm, expected_["grad_norms"][index].get<double>(), test::tolerance(Compared::gradient_norm))
        << "step " << step;
  }
  for (const std::string name : {"model.layers.1.mlp.up_proj.weight", "model.norm.weight"}) {
    const auto wanted = read(*file_, "final:" + name);
    const auto got = model_->named_parameters()[name];
    EXPECT_LE((got - wanted).abs().max().item<double>(), test::tolerance(Compared::trained_weight)) << name;
  }
}

TEST_F(TrainingParity, ALossThatIsNotFiniteLeavesNoGradients) {
  {
    const at::NoGradGuard no_grad;
    model_->parameters().front().fill_(std::nan(""));
  }
  const auto parameters = parameters_of(*model_);
  EXPECT_THROW(learn_windows(*model_, parameters, batch(0), /*bfloat16=*/false, 1), LMError);
  for (const auto& [name, parameter] : parameters) {
    EXPECT_FALSE(parameter.grad().defined()) << name;
  }
}

}  // namespace
}  // namespace dstorch::training
