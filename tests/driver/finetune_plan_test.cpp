// The plan for adapters against what a step of fine-tuning takes.
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

/// Frozen weights of random numbers.
class FrozenWeights : public nn::WeightSource {
 public:
  explicit FrozenWeights(at::ScalarType dtype) : dtype_(dtype) {}
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
  [[nodiscard]] bool trainable() const override { return false; }

 private:
  at::ScalarType dtype_;
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

void PrintTo(const Case& which, std::ostream* out) { *out << which.name; }

class LoraPlan : public testing::TestWithParam<Case> {};

TEST_P(LoraPlan, IsWhatAStepTakes) {
  const auto& which = GetParam();
  const auto path = fs::temp_directory_path() / fmt::format("dstorch_lora_plan_{}.json", ::getpid());
  std::vector<std::string> classes;
  for (int64_t i = 0; i < which.classes; ++i) {
    classes.push_back(std::to_string(i));
  }
  OrderedJson config_json = OrderedJson::parse(which.config.dump());
  if (which.classes > 0) {
    config_json = models::with_classes(std::move(config_json), classes);
  }
  write_file(path, config_json.dump());
  const auto plan = plan_memory({.model_path = path, .threads = 1}, {.context = which.sequence,
                                                                     .batch = which.batch,
                                                                     .training = Training::lora,
                                                                     .lora_rank = which.rank,
                                                                     .bfloat16 = which.bfloat16,
                                                                     .checkpointing = which.checkpointing});
  fs::remove(path);

  const ops::PassThreads threads(1);
  const auto account = std::make_shared<MemoryAccount>();
  const MemoryScope scope(account, MemoryKind::other);
  at::manual_seed(1);
  FrozenWeights weights(which.bfloat16 ? at::kBFloat16 : at::kFloat);
  const auto model = models::create_model(Json::parse(config_json.dump()), weights);
  engine::LoraConfig config;
  config.rank = which.rank;
  training::TrainableAdapter adapter(*model, config, training::target_layers(*model, {"all-linear"}), 1);
  if (which.classes > 0) {
    adapter.keep_whole(models::kClassHead, *model->named_parameters().find(models::kClassWeight));
  }
  training::count_gradients(adapter.parameters());
  const auto optimizer = training::make_optimizer(adapter.parameters(), {});
  std::vector<training::Example> examples(static_cast<std::size_t>(which.batch));
  training::MicroBatch all;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    for (int64_t t = 0; t <= which.sequence; ++t) {
      examples[i].ids.push_back(
          static_cast<int32_t>((static_cast<int64_t>(i) * 31 + t * 7) % model->sizes().vocab_size));
    }
    examples[i].learned.assign(examples[i].ids.size(), which.classes == 0);
    if (which.classes > 0) {
      examples[i].label = static_cast<int64_t>(i) % which.classes;
    }
    all.push_back(i);
  }
  const training::PassSettings settings{&adapter.adapter(), which.bfloat16, which.checkpointing};
  const auto tokens = static_cast<double>(which.classes > 0 ? which.batch : which.batch * which.sequence);
  double first = 0;
  double last = 0;
  for (int64_t step = 1; step <= 2; ++step) {
    last = training::learn_examples(*model, adapter.parameters(), examples, all, tokens, 0, settings) / tokens;
    first = step == 1 ? last : first;
    training::update(adapter.parameters(), *optimizer, 1e-4, 1.0, last, step);
  }
  EXPECT_LT(last, first) << "the adapters learn";
  // Together within a tenth, and no kind off by more than a tenth of all.
  const auto measured = account->use({});
  const auto most = 0.1 * static_cast<double>(measured.total.peak);
  EXPECT_NEAR(static_cast<double>(plan.total), static_cast<double>(measured.total.peak), most);
  for (const auto kind : {MemoryKind::activations, MemoryKind::gradients, MemoryKind::optimizer, MemoryKind::other}) {
    EXPECT_NEAR(static_cast<double>(plan[kind]), static_cast<double>(measured[kind].peak), most) << to_string(kind);
  }
  EXPECT_EQ(plan[MemoryKind::weights], account->use({})[MemoryKind::weights].peak);
}

// Four sequences of 64 are two parts: more than two threads have nothing to do.
TEST(LoraPlanOfThreads, HasAPartForEach) {
  const auto path = fs::temp_directory_path() / fmt::format("dstorch_lora_threads_{}.json", ::getpid());
  write_file(path, llama_shape(500, 128, 344, 4, 4, 2, true).dump());
  const auto plan = [&](int threads) {
    return plan_memory({.model_path = path, .threads = threads},
                       {.context = 64, .batch = 4, .training = Training::lora, .bfloat16 = false});
  };
  const auto one = plan(1);
  for (const int threads : {2, 7}) {
    const auto more = plan(threads);
    EXPECT_EQ(more[MemoryKind::activations], 2 * one[MemoryKind::activations]) << threads;
    EXPECT_EQ(more.total, one.total + one[MemoryKind::activations]) << threads;
    EXPECT_EQ(more[MemoryKind::gradients], one[MemoryKind::gradients]) << threads;
  }
  fs::remove(path);
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
