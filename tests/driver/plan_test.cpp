#include <ATen/Context.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <functional>

#include "core/atomic_file.h"
#include "core/json.h"
#include "driver/plan_checks.h"
#include "dstorch/checkpoint.h"
#include "dstorch/error.h"
#include "dstorch/tokenizer.h"
#include "dstorch/torch_model.h"
#include "dstorch/train.h"
#include "models/registry.h"
#include "support/paths.h"

namespace dstorch {
namespace {

namespace fs = std::filesystem;
using test::expect_close;
using test::gemma2_shape;
using test::gemma3_shape;
using test::gpt2_shape;
using test::gpt_neox_shape;
using test::granite_shape;
using test::llama_shape;
using test::with_type;

const fs::path kFixtures = test::source_dir() / "tests/parity/fixtures";

/// A folder that goes when the test ends.
class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / fmt::format("dstorch_plan_test_{}", ::getpid())) {
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { fs::remove_all(path_); }
  [[nodiscard]] fs::path operator/(const char* name) const { return path_ / name; }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

void write_random_model(const Json& config, DType dtype, const fs::path& folder) {
  nn::FreshWeights weights(at::TensorOptions().dtype(dtype == DType::bfloat16 ? at::kBFloat16 : at::kFloat));
  const auto model = models::create_model(config, weights);
  std::vector<TensorView> views;
  const at::NoGradGuard no_grad;
  for (auto& entry : model->named_parameters()) {
    auto& tensor = entry.value();
    tensor.dim() == 1 ? tensor.fill_(1) : tensor.normal_(0, 0.02);
    views.push_back({entry.key(),
                     dtype,
                     tensor.sizes().vec(),
                     tensor.strides().vec(),
                     0,
                     {static_cast<const std::byte*>(tensor.data_ptr()), tensor.nbytes()}});
  }
  fs::create_directories(folder);
  save_safetensors(folder / "model.safetensors", views, {{"format", "pt"}});
  write_file(folder / "config.json", config.dump());
}

/// The plan for `context` positions, and what a prompt that fills them takes. Without `prefixes` nothing is kept of
/// what windows have passed, which is no part of a plan.
void plan_and_generate(const fs::path& path, int64_t context, std::optional<DType> dtype = {},
                       const Device& device = {}, std::optional<KvDType> kv_dtype = {}) {
  SCOPED_TRACE(path.string() + ", context " + std::to_string(context));
  const TorchModelConfig config{
      .model_path = path, .device = device, .dtype = dtype, .kv_dtype = kv_dtype, .threads = 1};
  const auto plan = plan_memory(config, {.context = context});
  TorchModel model(config);
  model.init();
  EXPECT_EQ(plan[MemoryKind::weights], model.info().weight_bytes);
  EXPECT_EQ(plan.dtype, model.info().dtype);
  const std::vector<int64_t> prompt(static_cast<std::size_t>(context - 2), 5);
  model.complete(prompt, {.max_tokens = 2, .temperature = 0, .ignore_eos = true});
  EXPECT_EQ(plan[MemoryKind::weights], model.memory()[MemoryKind::weights].bytes);
  expect_close(plan, model.memory(), 0.1);
}

void plan_every_family(const Device& device) {
  int families = 0;
  for (const auto& entry : fs::directory_iterator(kFixtures)) {
    if (!fs::exists(entry.path() / "model/config.json")) {
      continue;
    }
    ++families;
    const auto limit = plan_memory({.model_path = entry.path() / "model"}).model_context;
    plan_and_generate(entry.path() / "model", std::min<int64_t>(limit, 96), {}, device);
  }
  EXPECT_GE(families, 25);
}

TEST(Plan, EveryFamilyOfTheFixtures) { plan_every_family({}); }

TEST(Plan, EveryFamilyOfTheFixturesOnWebgl) { plan_every_family(Device::parse("webgl")); }

TEST(Plan, ALargerModelInEveryDtype) {
  const Folder folder;
  write_random_model(llama_shape(16000, 512, 1376, 8, 8, 2, true), DType::bfloat16, folder.path());
  plan_and_generate(folder.path(), 200);
  plan_and_generate(folder.path(), 1500);
  plan_and_generate(folder.path(), 600, DType::float32);
  plan_and_generate(folder.path(), 600, DType::float64);
  plan_and_generate(folder.path(), 600, {}, {}, KvDType::q8);
  plan_and_generate(folder.path(), 600, DType::float64, {}, KvDType::q8);
  write_random_model(gemma3_shape(), DType::bfloat16, folder / "gemma3");
  plan_and_generate(folder / "gemma3", 500);
  plan_and_generate(folder / "gemma3", 500, DType::float64);
  write_random_model(with_type(llama_shape(500, 128, 344, 3, 4, 2, true), "olmo2"), DType::bfloat16, folder / "olmo2");
  plan_and_generate(folder / "olmo2", 600);
  plan_and_generate(folder / "olmo2", 600, DType::float64);
  write_random_model(gpt_neox_shape(), DType::bfloat16, folder / "gpt_neox");
  plan_and_generate(folder / "gpt_neox", 600);
  plan_and_generate(folder / "gpt_neox", 600, DType::float64);
}

TEST(Plan, ALargerModelOnWebgl) {
  const Folder folder;
  const auto webgl = Device::parse("webgl");
  write_random_model(llama_shape(4000, 256, 688, 3, 8, 2, true), DType::bfloat16, folder.path());
  plan_and_generate(folder.path(), 500, {}, webgl);
  plan_and_generate(folder.path(), 500, DType::bfloat16, webgl);
  // Heads of 30 are not the shader's.
  auto odd = llama_shape(4000, 240, 640, 3, 8, 2, true);
  write_random_model(odd, DType::float32, folder / "odd");
  plan_and_generate(folder / "odd", 300, {}, webgl);
  write_random_model(gpt2_shape(), DType::float32, folder / "gpt2");
  plan_and_generate(folder / "gpt2", 250, {}, webgl);
  write_random_model(gemma3_shape(), DType::float32, folder / "gemma3");
  plan_and_generate(folder / "gemma3", 300, {}, webgl);
  write_random_model(with_type(llama_shape(500, 128, 344, 3, 4, 2, true), "olmo2"), DType::float32, folder / "olmo2");
  plan_and_generate(folder / "olmo2", 300, {}, webgl);
  write_random_model(gpt_neox_shape(), DType::float32, folder / "gpt_neox");
  plan_and_generate(folder / "gpt_neox", 300, {}, webgl);
  write_random_model(gemma2_shape(), DType::float32, folder / "gemma2");
  plan_and_generate(folder / "gemma2", 300, {}, webgl);
}

struct TrainingCase {
  std::string name;
  Json config;
  int64_t batch;
  int64_t sequence;
};

std::string name_of(const testing::TestParamInfo<TrainingCase>& info) { return info.param.name; }

void PrintTo(const TrainingCase& which, std::ostream* out) { *out << which.name; }

/// The plan for two steps, and what they take.
void plan_and_train(const TrainingCase& which, const Device& device, bool bfloat16, int threads,
                    const std::function<void(const MemoryPlan&, const MemoryUse&)>& compare) {
  const auto& [name, config, batch, sequence] = which;
  const Folder folder;
  std::string text;
  for (int i = 0; i < 3000; ++i) {
    text += fmt::format("item {} is {}\n", i % 100, i % 2 == 0 ? "even" : "odd");
  }
  write_file(folder / "text.txt", text);
  BpeTrainerOptions bpe;
  bpe.vocab_size = 280;
  train_bpe_tokenizer(std::vector<fs::path>{folder / "text.txt"}, folder / "tokenizer.json", bpe);
  write_file(folder / "config.json", config.dump());
  TrainOptions options;
  options.data = {folder / "text.txt"};
  options.tokenizer = folder / "tokenizer.json";
  options.config = folder / "config.json";
  options.output = folder / "model";
  options.steps = 2;
  options.batch_size = batch;
  options.sequence_length = sequence;
  options.warmup_steps = 0;
  options.held_out_fraction = 0;
  options.bfloat16 = bfloat16;
  options.device = device;
  options.threads = threads;
  const auto measured = train(options).memory;
  const auto plan =
      plan_memory({.model_path = folder / "config.json", .device = device, .threads = threads},
                  {.context = sequence, .batch = batch, .training = Training::full, .bfloat16 = bfloat16});
  compare(plan, measured);
  EXPECT_EQ(plan[MemoryKind::weights], measured[MemoryKind::weights].peak);
}

void plan_and_train_alone(const TrainingCase& which, const Device& device, bool bfloat16) {
  plan_and_train(which, device, bfloat16, /*threads=*/1,
                 [](const MemoryPlan& plan, const MemoryUse& measured) { expect_close(plan, measured, 0.04); });
}

class TrainingPlan : public testing::TestWithParam<TrainingCase> {};

TEST_P(TrainingPlan, IsWhatTrainingTakes) { plan_and_train_alone(GetParam(), {}, false); }

/// Parts that are learned side by side need not reach their peaks together.
TEST_P(TrainingPlan, HoldsForSeveralThreads) {
  plan_and_train(GetParam(), {}, false, /*threads=*/3, [](const MemoryPlan& plan, const MemoryUse& measured) {
    EXPECT_LE(static_cast<double>(measured.total.peak), 1.04 * static_cast<double>(plan.total));
    EXPECT_LE(plan.total, 3 * measured.total.peak);
  });
}

/// LibTorch's products by oneDNN or by its own loops, which is what processors without bfloat16 instructions get.
class OneDnn {
 public:
  explicit OneDnn(bool used) : before_(at::globalContext().userEnabledMkldnn()) {
    at::globalContext().setUserEnabledMkldnn(used);
  }
  OneDnn(const OneDnn&) = delete;
  OneDnn& operator=(const OneDnn&) = delete;
  ~OneDnn() { at::globalContext().setUserEnabledMkldnn(before_); }

 private:
  bool before_;
};

TEST_P(TrainingPlan, IsWhatTrainingInBfloat16Takes) {
  for (const bool used : {true, false}) {
    SCOPED_TRACE(used);
    const OneDnn products(used);
    plan_and_train_alone(GetParam(), {}, true);
  }
}

TEST_P(TrainingPlan, IsWhatTrainingOnWebglTakes) { plan_and_train_alone(GetParam(), Device::parse("webgl"), false); }

INSTANTIATE_TEST_SUITE_P(
    All, TrainingPlan,
    testing::Values(TrainingCase{"a_wide_vocabulary", llama_shape(8000, 128, 344, 2, 4, 2, true), 4, 64},
                    TrainingCase{"a_wide_vocabulary_and_few_rows", llama_shape(8000, 128, 344, 2, 4, 2, true), 1, 8},
                    TrainingCase{"much_attention", llama_shape(300, 64, 172, 4, 8, 4, false), 2, 256},
                    TrainingCase{"mostly_weights", llama_shape(300, 256, 688, 4, 4, 4, false), 1, 8},
                    TrainingCase{"many_layers", llama_shape(300, 96, 256, 12, 4, 2, true), 8, 64},
                    TrainingCase{"gpt2", gpt2_shape(), 4, 64}, TrainingCase{"gpt2_one_sequence", gpt2_shape(), 1, 128},
                    TrainingCase{"qwen3", with_type(llama_shape(500, 128, 344, 3, 4, 2, true), "qwen3"), 4, 96},
                    TrainingCase{"gemma3", gemma3_shape(), 4, 96},
                    TrainingCase{"phi3", with_type(llama_shape(500, 128, 344, 3, 4, 2, false), "phi3"), 4, 96},
                    TrainingCase{"olmo2", with_type(llama_shape(500, 128, 344, 3, 4, 2, false), "olmo2"), 4, 96},
                    TrainingCase{"olmo2_one_sequence", with_type(llama_shape(500, 128, 344, 3, 4, 2, false), "olmo2"),
                                 1, 200},
                    TrainingCase{"granite", granite_shape(), 4, 96}, TrainingCase{"gpt_neox", gpt_neox_shape(), 4, 96},
                    TrainingCase{"gemma2", gemma2_shape(), 4, 96},
                    TrainingCase{"gemma2_one_sequence", gemma2_shape(), 1, 256},
                    TrainingCase{"smollm3", with_type(llama_shape(500, 128, 344, 4, 4, 2, true), "smollm3"), 4, 96}),
    name_of);

}  // namespace
}  // namespace dstorch
