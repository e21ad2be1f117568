// Fine-tuning against PyTorch, Hugging Face transformers and peft; tools/make_finetune_fixtures.py made the reference.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "core/atomic_file.h"
#include "core/json.h"
#include "dstorch/checkpoint.h"
#include "engine/adapter_file.h"
#include "models/checkpoint_weights.h"
#include "models/classes.h"
#include "models/registry.h"
#include "support/paths.h"
#include "support/tolerances.h"
#include "train/example_pass.h"
#include "train/schedule.h"
#include "train/step.h"
#include "train/trainable_adapter.h"

namespace dstorch::training {
namespace {

namespace fs = std::filesystem;
using test::Compared;

constexpr double kTolerance = test::tolerance(Compared::finetuned);
/// What the names of the classifiers' fixtures end with.
constexpr std::string_view kClasses = "_classes";

at::Tensor read(const Checkpoint& file, const std::string& name) {
  const auto* view = file.find(name);
  if (view == nullptr) {
    ADD_FAILURE() << "no tensor " << name;
    return at::zeros({1});
  }
  return at::from_blob(const_cast<std::byte*>(view->data()), view->shape, at::kFloat).clone();
}

void expect_close(const at::Tensor& got, const at::Tensor& wanted, const std::string& what) {
  ASSERT_EQ(got.sizes(), wanted.sizes()) << what;
  const auto scale = wanted.abs().max().item<double>();
  EXPECT_GT(scale, 0) << what;
  EXPECT_LE((got - wanted).abs().max().item<double>(), kTolerance * scale) << what;
}

struct Case {
  std::string model;
  bool checkpointing = false;
};

class FinetuneParity : public testing::TestWithParam<Case> {
 protected:
  FinetuneParity()
      : fixture_(test::source_dir() / "tests/data/finetune" / GetParam().model),
        expected_(read_json(fixture_ / "expected.json")),
        file_(Checkpoint::open(fixture_ / "expected.safetensors")) {
    const auto& name = GetParam().model;
    const bool classifier = name.ends_with(kClasses);
    const auto base = classifier ? name.substr(0, name.size() - kClasses.size()) : name;
    const auto folder = test::source_dir() / "tests/parity/fixtures" / base / "model";
    const auto checkpoint = Checkpoint::open(folder, CheckpointAccess::copy);
    models::CheckpointWeights::Options options;
    auto config = read_ordered_json(folder / "config.json");
    if (classifier) {
      options.given["score.weight"] = read(*file_, "score");
      config = models::with_classes(config, {"kernel", "libs", "python"});
    }
    models::CheckpointWeights weights(checkpoint, options);
    model_ = models::create_model(Json::parse(config.dump()), weights);
    weights.finish();
    for (const auto& json : expected_["examples"]) {
      Example example;
      example.ids = json["ids"].get<std::vector<int32_t>>();
      if (classifier) {
        example.label = json["label"].get<int64_t>();
        examples_.push_back(std::move(example));
        continue;
      }
      example.learned.assign(example.ids.size(), true);
      std::fill_n(example.learned.begin(), json["learned_from"].get<int64_t>(), false);
      examples_.push_back(std::move(example));
    }
    settings_.checkpointing = GetParam().checkpointing;
    schedule_ = {expected_["peak"], 0, expected_["warmup_steps"],
                 static_cast<int64_t>(expected_["learning_rates"].size()), Decay::linear};
    adamw_.beta1 = expected_["betas"][0];
    adamw_.beta2 = expected_["betas"][1];
    adamw_.eps = expected_["eps"];
    adamw_.weight_decay = expected_["weight_decay"];
  }

  /// A step in two micro-batches, which must come to the same as one.
  double learn(const Parameters& parameters, std::size_t step) {
    const auto chosen = expected_["order"][step].get<MicroBatch>();
    int64_t tokens = 0;
    for (const auto place : chosen) {
      tokens += examples_[place].learned_count();
    }
    const MicroBatch first(chosen.begin(), chosen.begin() + 2);
    const MicroBatch second(chosen.begin() + 2, chosen.end());
    const auto divisor = static_cast<double>(tokens);
    return (learn_examples(*model_, parameters, examples_, first, divisor, 0, settings_) +
            learn_examples(*model_, parameters, examples_, second, divisor, 0, settings_)) /
           divisor;
  }

  void expect_gradients_and_losses(const Parameters& parameters, const std::string& prefix) {
    Optimizer optimizer(parameters, adamw_);
    const auto& losses = expected_[prefix + "_losses"];
    for (std::size_t step = 0; step < losses.size(); ++step) {
      const auto loss = learn(parameters, step);
      if (step == 0) {
        for (const auto& [name, parameter] : parameters) {
          ASSERT_TRUE(parameter.grad().defined()) << name;
          expect_close(parameter.grad(), read(*file_, prefix + ":" + name), name);
        }
      }
      const auto rate = schedule_.at(static_cast<int64_t>(step));
      EXPECT_NEAR(rate, expected_["learning_rates"][step].get<double>(), 1e-12);
      const auto norm = update(parameters, optimizer, rate, expected_["clip_norm"], loss, 1);
      EXPECT_NEAR(loss, losses[step].get<double>(), kTolerance * losses[step].get<double>()) << "step " << step;
      const auto wanted = expected_[prefix + "_norms"][step].get<double>();
      EXPECT_NEAR(norm, wanted, test::tolerance(Compared::finetuned_norm) * wanted) << "step " << step;
    }
  }

  /// How many gradients of the reference begin with `prefix`.
  [[nodiscard]] std::size_t references(const std::string& prefix) const {
    return static_cast<std::size_t>(
        std::count_if(file_->tensors().begin(), file_->tensors().end(),
                      [&](const TensorView& view) { return view.name.starts_with(prefix + ":"); }));
  }

  /// The adapter of the fixture, to be trained.
  [[nodiscard]] TrainableAdapter load_adapter() const {
    const auto file = engine::AdapterFile::open(fixture_ / "adapter");
    engine::require_fits(file, *model_);
    std::vector<std::string> layers;
    for (const auto* pairs : {&file.linear, &file.embedding}) {
      for (const auto& [module, pair] : *pairs) {
        layers.push_back(module);
      }
    }
    auto config = file.config;
    config.modules_to_save.clear();
    TrainableAdapter adapter(*model_, config, layers, 0);
    if (config.classifies) {
      adapter.keep_whole("score", *model_->named_parameters().find("score.weight"));
    }
    const at::NoGradGuard no_grad;
    for (const auto& [name, parameter] : adapter.parameters()) {
      parameter.copy_(read(*file.weights, "base_model.model." + name));
    }
    return adapter;
  }

  fs::path fixture_;
  Json expected_;
  std::shared_ptr<const Checkpoint> file_;
  std::shared_ptr<models::LanguageModel> model_;
  std::vector<Example> examples_;
  PassSettings settings_;
  Schedule schedule_;
  AdamWSettings adamw_;
};

TEST_P(FinetuneParity, FullGradientsAndTenLosses) {
  auto parameters = parameters_of(*model_);
  const at::NoGradGuard no_grad;
  for (auto& [name, parameter] : parameters) {
    parameter.requires_grad_();
  }
  const at::AutoGradMode gradients(true);
  EXPECT_EQ(references("full"), parameters.size());
  expect_gradients_and_losses(parameters, "full");
}

TEST_P(FinetuneParity, LoraGradientsAndTenLosses) {
  const auto adapter = load_adapter();
  EXPECT_EQ(references("lora"), adapter.parameters().size());
  settings_.adapter = &adapter.adapter();
  expect_gradients_and_losses(adapter.parameters(), "lora");
  // What is saved is what peft has trained.
  const auto folder = fs::temp_directory_path() / ("dstorch_finetune_parity_" + std::to_string(::getpid()));
  fs::create_directories(folder);
  adapter.save(folder);
  const auto saved = engine::AdapterFile::open(folder);
  const auto trained = engine::AdapterFile::open(fixture_ / "trained");
  EXPECT_EQ(saved.weights->tensors().size(), trained.weights->tensors().size() - trained.base.size());
  for (const auto& view : saved.weights->tensors()) {
    const auto wanted = read(*trained.weights, view.name);
    EXPECT_LE((read(*saved.weights, view.name) - wanted).abs().max().item<double>(),
              test::tolerance(Compared::finetuned_weight))
        << view.name;
  }
  for (const auto& [module, pair] : trained.linear) {
    EXPECT_DOUBLE_EQ(saved.config.scale_of(module), trained.config.scale_of(module)) << module;
  }
  engine::require_fits(saved, *model_);
  fs::remove_all(folder);
}

INSTANTIATE_TEST_SUITE_P(
    All, FinetuneParity,
    testing::Values(Case{"llama"}, Case{"llama_biases"}, Case{"llama_linear_rope"}, Case{"mistral"}, Case{"qwen2"},
                    Case{"qwen3"}, Case{"smollm2"}, Case{"smollm3"}, Case{"gpt2"}, Case{"gpt2_variants"},
                    Case{"gemma2"}, Case{"gemma3"}, Case{"gemma3_variants"}, Case{"gemma3", true}, Case{"phi3"},
                    Case{"phi3_longrope"}, Case{"phi3", true}, Case{"olmo2"}, Case{"olmo2", true}, Case{"granite"},
                    Case{"gpt_neox"}, Case{"gpt_neox", true}, Case{"gpt_neox_one_by_one"}, Case{"llama", true},
                    Case{"llama_classes"}, Case{"gpt2_classes"}, Case{"llama_classes", true},
                    Case{"llama_linear_rope", true}, Case{"smollm3", true}, Case{"gpt2", true}),
    [](const auto& which) { return which.param.model + (which.param.checkpointing ? "_checkpointing" : ""); });

}  // namespace
}  // namespace dstorch::training
