// Learning in parts, on any number of threads, against examples that are learned one by one.
#include "train/example_pass.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/json.h"
#include "dstorch/checkpoint.h"
#include "models/checkpoint_weights.h"
#include "models/registry.h"
#include "ops/pass_threads.h"
#include "support/paths.h"
#include "support/tolerances.h"
#include "train/step.h"
#include "train/trainable_adapter.h"

namespace dstorch::training {
namespace {

using test::Compared;

constexpr std::size_t kExamples = 12;
// Two of them are more rows than go through the head together.
constexpr int64_t kLength = 100;

std::shared_ptr<models::LanguageModel> open_model(const std::string& name) {
  const auto folder = test::source_dir() / "tests/parity/fixtures" / name / "model";
  models::CheckpointWeights weights(Checkpoint::open(folder, CheckpointAccess::copy), {});
  auto model = models::create_model(read_json(folder / "config.json"), weights);
  weights.finish();
  return model;
}

struct Way {
  std::string model;
  bool full = false;
  bool checkpointing = false;
};

void PrintTo(const Way& way, std::ostream* out) { *out << way.model; }

class ExamplePass : public testing::TestWithParam<Way> {
 protected:
  ExamplePass() : model_(open_model(GetParam().model)) {
    settings_.checkpointing = GetParam().checkpointing;
    if (GetParam().full) {
      parameters_ = parameters_of(*model_);
      for (auto& [name, parameter] : parameters_) {
        parameter.requires_grad_();
      }
    } else {
      make_adapter(/*dropout=*/0.25);
    }
    for (std::size_t i = 0; i < kExamples; ++i) {
      Example example;
      for (std::size_t t = 0; t < kLength + i; ++t) {
        example.ids.push_back(static_cast<int32_t>((i * 31 + t * t * 7) % static_cast<std::size_t>(vocabulary())));
      }
      example.learned.assign(example.ids.size(), true);
      std::fill_n(example.learned.begin(), i, false);
      examples_.push_back(std::move(example));
      all_.push_back(i);
    }
  }

  void make_adapter(double dropout) {
    engine::LoraConfig config;
    config.rank = 4;
    config.dropout = dropout;
    adapter_.emplace(*model_, config, target_layers(*model_, {"all-linear", "lm_head"}), 3);
    parameters_ = adapter_->parameters();
    settings_.adapter = &adapter_->adapter();
    const at::NoGradGuard no_grad;
    for (auto& [name, parameter] : parameters_) {
      parameter.add_(0.01);  // the second matrices are 0 at first, and with them the gradients of the first
    }
  }

  [[nodiscard]] int64_t vocabulary() const { return model_->sizes().vocab_size; }

  /// The loss, and the gradients of all parameters.
  std::pair<double, std::vector<at::Tensor>> learn(int threads, const std::vector<MicroBatch>& batches) {
    const ops::PassThreads pass(threads);
    drop_gradients(parameters_);
    double loss = 0;
    for (const auto& batch : batches) {
      loss += learn_examples(*model_, parameters_, examples_, batch, 100, 5, settings_);
    }
    std::vector<at::Tensor> gradients;
    for (const auto& [name, parameter] : parameters_) {
      EXPECT_TRUE(parameter.grad().defined()) << name;
      EXPECT_EQ(parameter.grad().strides(), parameter.strides()) << name;
      gradients.push_back(parameter.grad().clone());
    }
    return {loss, gradients};
  }

  std::shared_ptr<models::LanguageModel> model_;
  std::optional<TrainableAdapter> adapter_;
  Parameters parameters_;
  std::vector<Example> examples_;
  MicroBatch all_;
  PassSettings settings_;
};

TEST_P(ExamplePass, ThreadsChangeNoBit) {
  const auto [loss, gradients] = learn(1, {all_});
  for (const auto threads : {2, 3, 7, 2, 3, 7}) {
    const auto [same_loss, same_gradients] = learn(threads, {all_});
    EXPECT_EQ(loss, same_loss);
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      EXPECT_TRUE(at::equal(gradients[i], same_gradients[i])) << threads << " threads, " << parameters_[i].first;
    }
  }
}

TEST_P(ExamplePass, PartsAddUpToTheExamples) {
  if (adapter_) {
    make_adapter(/*dropout=*/0);  // which draws for each part
  }
  std::vector<MicroBatch> singly;
  for (const auto place : all_) {
    singly.push_back({place});
  }
  const auto [loss, gradients] = learn(2, {all_});
  const auto [wanted_loss, wanted] = learn(1, singly);
  EXPECT_NEAR(loss, wanted_loss, test::tolerance(Compared::parts) * wanted_loss);
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    const auto scale = wanted[i].abs().max().item<double>();
    EXPECT_LE((gradients[i] - wanted[i]).abs().max().item<double>(), test::tolerance(Compared::parts) * scale + 1e-9)
        << parameters_[i].first;
  }
}

TEST_P(ExamplePass, APartThatFailsEndsTheOthers) {
  for (const auto bad : {std::size_t{0}, kExamples / 2, kExamples - 1}) {
    const auto before = examples_[bad];
    examples_[bad].ids[3] = static_cast<int32_t>(vocabulary());
    EXPECT_ANY_THROW(learn(2, {all_})) << bad;
    examples_[bad] = before;
  }
  learn(2, {all_});
}

INSTANTIATE_TEST_SUITE_P(All, ExamplePass,
                         testing::Values(Way{"llama"}, Way{"llama", true}, Way{"gpt2", true}, Way{"gpt2", true, true},
                                         Way{"smollm2", true}, Way{"llama", false, true}),
                         [](const auto& which) {
                           const auto& way = which.param;
                           return way.model + (way.full ? "_full" : "_lora") +
                                  (way.checkpointing ? "_checkpointing" : "");
                         });

}  // namespace
}  // namespace dstorch::training
