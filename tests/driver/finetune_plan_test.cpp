// The plans for fine-tuning, of adapters and of all weights, against what its steps take.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "core/atomic_file.h"
#include "device/memory_account.h"
#include "driver/plan_checks.h"
#include "dstorch/torch_model.h"
#include "models/classes.h"
#include "models/registry.h"
#include "nn/weight_source.h"
#include "ops/pass_threads.h"
#include "train/example_pass.h"
#include "train/step.h"
#include "train/trainable_adapter.h"

namespace dstorch {
namespace {

namespace fs = std::filesystem;
using test::gemma2_shape;
using test::gemma3_shape;
using test::gpt2_shape;
using test::gpt_neox_shape;
using test::llama_shape;
using test::with_type;

/// Weights of random numbers: frozen, or float32 that learn.
class RandomWeights : public nn::WeightSource {
 public:
  explicit RandomWeights(at::ScalarType dtype, bool trainable) : dtype_(dtype), trainable_(trainable) {}
  at::Tensor get(const std::string& name, at::IntArrayRef shape, bool transposed) override {
    if (name == models::kClassWeight) {
      return at::empty(shape, at::kFloat).normal_(0, 0.02);
    }
    if (shape.size() == 1) {
      return at::ones(shape, dtype_);
    }
    return transposed ? at::empty({shape[1], shape[0]}, dtype_).normal_(0, 0.02).t()
                      : at::empty(shape, dtype_).normal_(0, 0.02);
  }
  [[nodiscard]] bool has(const std::string&) const override { return true; }
  [[nodiscard]] bool trainable() const override { return trainable_; }

 private:
  at::ScalarType dtype_;
  bool trainable_;
};

struct Case {
  std::string name;
  Json config;
  bool bfloat16;
  int64_t rank;
  int64_t batch;
  int64_t sequence;
  bool checkpointing = false;
  int64_t classes = 0;
};

/// The config.json of the case, with its classes.
OrderedJson config_of(const Case& which) {
  auto config = OrderedJson::parse(which.config.dump());
  if (which.classes == 0) {
    return config;
  }
  std::vector<std::string> classes;
  for (int64_t i = 0; i < which.classes; ++i) {
    classes.push_back(std::to_string(i));
  }
  return models::with_classes(std::move(config), classes);
}

MemoryPlan plan_of(const Case& which, Training training) {
  const auto path = fs::temp_directory_path() / fmt::format("dstorch_finetune_plan_{}.json", ::getpid());
  write_file(path, config_of(which).dump());
  auto plan = plan_memory({.model_path = path, .threads = 1}, {.context = which.sequence,
                                                               .batch = which.batch,
                                                               .training = training,
                                                               .lora_rank = which.rank,
                                                               .bfloat16 = which.bfloat16,
                                                               .checkpointing = which.checkpointing});
  fs::remove(path);
  return plan;
}

/// Two steps on one thread, after which the loss is lower.
void learn(const Case& which, models::LanguageModel& model, const training::Parameters& parameters,
           const nn::Adapter* adapter) {
  training::count_gradients(parameters);
  training::Optimizer optimizer(parameters, {});
  std::vector<training::Example> examples(static_cast<std::size_t>(which.batch));
  training::MicroBatch all;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    for (int64_t t = 0; t <= which.sequence; ++t) {
      examples[i].ids.push_back(
          static_cast<int32_t>((static_cast<int64_t>(i) * 31 + t * 7) % model.sizes().vocab_size));
    }
    examples[i].learned.assign(examples[i].ids.size(), which.classes == 0);
    if (which.classes > 0) {
      examples[i].label = static_cast<int64_t>(i) % which.classes;
    }
    all.push_back(i);
  }
  const training::PassSettings settings{adapter, which.bfloat16, which.checkpointing};
  const auto tokens = static_cast<double>(which.classes > 0 ? which.batch : which.batch * which.sequence);
  double first = 0;
  double last = 0;
  for (int64_t step = 1; step <= 2; ++step) {
    last = training::learn_examples(model, parameters, examples, all, tokens, 0, settings) / tokens;
    first = step == 1 ? last : first;
    training::update(parameters, optimizer, 1e-4, 1.0, last, step);
  }
  EXPECT_LT(last, first) << "it learns";
}

/// Together within a tenth, and no kind off by more than a tenth of all.
void expect_planned(const MemoryPlan& plan, const MemoryUse& measured) {
  const auto most = 0.1 * static_cast<double>(measured.total.peak);
  EXPECT_NEAR(static_cast<double>(plan.total), static_cast<double>(measured.total.peak), most);
  for (const auto kind : {MemoryKind::activations, MemoryKind::gradients, MemoryKind::optimizer, MemoryKind::other}) {
    EXPECT_NEAR(static_cast<double>(plan[kind]), static_cast<double>(measured[kind].peak), most) << to_string(kind);
  }
  EXPECT_EQ(plan[MemoryKind::weights], measured[MemoryKind::weights].peak);
}

void PrintTo(const Case& which, std::ostream* out) { *out << which.name; }

class LoraPlan : public testing::TestWithParam<Case> {};

TEST_P(LoraPlan, IsWhatAStepTakes) {
  const auto& which = GetParam();
  const auto plan = plan_of(which, Training::lora);
  const ops::PassThreads threads(1);
  const auto account = std::make_shared<MemoryAccount>();
  const MemoryScope scope(account, MemoryKind::other);
  at::manual_seed(1);
  RandomWeights weights(which.bfloat16 ? at::kBFloat16 : at::kFloat, /*trainable=*/false);
  const auto model = models::create_model(Json::parse(config_of(which).dump()), weights);
  engine::LoraConfig config;
  config.rank = which.rank;
  training::TrainableAdapter adapter(*model, config, training::target_layers(*model, {"all-linear"}), 1);
  if (which.classes > 0) {
    adapter.keep_whole(models::kClassHead, *model->named_parameters().find(models::kClassWeight));
  }
  learn(which, *model, adapter.parameters(), &adapter.adapter());
  expect_planned(plan, account->use({}));
}

class FullFinetunePlan : public testing::TestWithParam<Case> {};

TEST_P(FullFinetunePlan, IsWhatAStepTakes) {
  const auto& which = GetParam();
  const auto plan = plan_of(which, Training::full_finetune);
  const ops::PassThreads threads(1);
  const auto account = std::make_shared<MemoryAccount>();
  const MemoryScope scope(account, MemoryKind::other);
  at::manual_seed(1);
  RandomWeights weights(at::kFloat, /*trainable=*/true);
  const auto model = models::create_model(Json::parse(config_of(which).dump()), weights);
  learn(which, *model, training::parameters_of(*model), nullptr);
  expect_planned(plan, account->use({}));
}

INSTANTIATE_TEST_SUITE_P(
    All, FullFinetunePlan,
    testing::Values(Case{"one_part", llama_shape(500, 128, 344, 4, 4, 2, true), false, 8, 2, 64},
                    Case{"parts_one_after_the_other", llama_shape(500, 128, 344, 4, 4, 2, true), false, 8, 8, 128},
                    Case{"bfloat16", llama_shape(500, 128, 344, 4, 4, 2, true), true, 8, 4, 96},
                    Case{"mostly_weights", llama_shape(300, 256, 688, 4, 4, 4, false), false, 8, 2, 8},
                    Case{"much_attention", llama_shape(300, 64, 172, 4, 8, 4, false), false, 8, 2, 256},
                    Case{"a_wide_vocabulary", llama_shape(8000, 128, 344, 2, 4, 2, true), false, 8, 4, 96},
                    Case{"a_head_of_its_own", llama_shape(8000, 128, 344, 2, 4, 2, false), true, 8, 4, 96},
                    Case{"gpt2", gpt2_shape(), false, 8, 4, 64}, Case{"gemma3", gemma3_shape(), false, 8, 4, 96},
                    Case{"checkpointing", llama_shape(500, 128, 344, 6, 4, 2, true), false, 8, 4, 128, true},
                    Case{"classes", llama_shape(500, 128, 344, 4, 4, 2, true), true, 8, 4, 64, false, 200}),
    [](const auto& which) { return which.param.name; });

// Four sequences of 64 are two parts: more than two threads have nothing to do, and one has them one after the other,
// the second when the first's gradients are there.
TEST(FinetunePlanOfThreads, HasAPartForEach) {
  for (const auto training : {Training::lora, Training::full_finetune}) {
    const auto path = fs::temp_directory_path() / fmt::format("dstorch_finetune_threads_{}.json", ::getpid());
    write_file(path, llama_shape(500, 128, 344, 4, 4, 2, true).dump());
    const auto plan = [&](int threads, int64_t batch) {
      return plan_memory({.model_path = path, .threads = threads},
                         {.context = 64, .batch = batch, .training = training, .bfloat16 = false});
    };
    const auto part = plan(1, 2);
    for (const int threads : {2, 7}) {
      const auto more = plan(threads, 4);
      EXPECT_EQ(more[MemoryKind::activations], 2 * part[MemoryKind::activations]) << threads;
      EXPECT_EQ(more.total, part.total + part[MemoryKind::activations]) << threads;
      EXPECT_EQ(more[MemoryKind::gradients], part[MemoryKind::gradients]) << threads;
    }
    const auto after = plan(1, 4);
    EXPECT_EQ(after[MemoryKind::gradients], part[MemoryKind::gradients]);
    EXPECT_GT(after.total, part.total + part[MemoryKind::gradients] / 2);
    EXPECT_LE(after.total, part.total + part[MemoryKind::gradients]);
    fs::remove(path);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, LoraPlan,
    testing::Values(Case{"llama", llama_shape(500, 128, 344, 4, 4, 2, true), false, 8, 4, 64},
                    Case{"bfloat16", llama_shape(500, 128, 344, 4, 4, 2, true), true, 8, 4, 64},
                    Case{"few_rows", llama_shape(500, 128, 344, 4, 4, 2, true), true, 8, 1, 8},
                    Case{"mostly_weights", llama_shape(300, 256, 688, 4, 4, 4, false), true, 4, 2, 8},
                    Case{"much_attention", llama_shape(300, 64, 172, 4, 8, 4, false), false, 4, 2, 256},
                    Case{"a_wide_vocabulary", llama_shape(8000, 128, 344, 2, 4, 2, true), true, 16, 4, 64},
                    Case{"a_wide_vocabulary_in_pieces", llama_shape(8000, 128, 344, 2, 4, 2, true), false, 16, 8, 96},
                    Case{"many_layers", llama_shape(300, 96, 256, 12, 4, 2, true), false, 64, 4, 32},
                    Case{"gpt2", gpt2_shape(), false, 8, 4, 64},
                    Case{"qwen3", with_type(llama_shape(500, 128, 344, 3, 4, 2, true), "qwen3"), true, 8, 4, 96},
                    Case{"phi3", with_type(llama_shape(500, 128, 344, 3, 4, 2, false), "phi3"), true, 8, 4, 96},
                    Case{"olmo2", with_type(llama_shape(500, 128, 344, 3, 4, 2, false), "olmo2"), true, 8, 4, 96},
                    Case{"olmo2_in_float32", with_type(llama_shape(500, 128, 344, 3, 4, 2, false), "olmo2"), false, 8,
                         4, 96},
                    Case{"gpt_neox", gpt_neox_shape(), true, 8, 4, 64}, Case{"gemma2", gemma2_shape(), false, 8, 4, 64},
                    Case{"gemma3", gemma3_shape(), false, 8, 4, 64},
                    Case{"gemma3_in_bfloat16", gemma3_shape(), true, 8, 4, 96},
                    Case{"checkpointing", llama_shape(500, 128, 344, 6, 4, 2, true), false, 8, 2, 64, true},
                    Case{"checkpointing_in_bfloat16", llama_shape(1000, 128, 344, 6, 4, 2, true), true, 8, 4, 64, true},
                    Case{"classes", llama_shape(500, 128, 344, 4, 4, 2, true), true, 8, 4, 64, false, 200},
                    Case{"classes_of_gpt2", gpt2_shape(), false, 8, 6, 32, true, 3},
                    Case{"checkpointing_gpt2", gpt2_shape(), false, 8, 4, 64, true}),
    [](const auto& which) { return which.param.name; });

}  // namespace
}  // namespace dstorch
