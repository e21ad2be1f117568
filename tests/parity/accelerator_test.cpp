// Generation and training steps on every device besides the CPU: the reference's tokens, and on webgl no op on the CPU.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>

#include <map>
#include <thread>

#include "core/throw.h"
#include "device/torch_types.h"
#include "device/webgl/webgl.h"
#include "dstorch/checkpoint.h"
#include "models/checkpoint_weights.h"
#include "models/registry.h"
#include "ops/cpu/bf16_product.h"
#include "parity/fixture.h"
#include "support/devices.h"
#include "support/tolerances.h"
#include "train/loss.h"
#include "train/step.h"

namespace dstorch::parity {
namespace {

using test::Compared;

std::unique_ptr<TorchModel> open_on(const std::string& device, const std::filesystem::path& path,
                                    std::optional<DType> dtype = {}, std::optional<KvDType> kv_dtype = {},
                                    bool prefix_cache = true) {
  TorchModelConfig config;
  config.dtype = dtype;
  config.kv_dtype = kv_dtype;
  config.model_path = path;
  config.device = Device::parse(device);
  config.threads = 1;
  config.prefix_cache = prefix_cache;
  auto model = std::make_unique<TorchModel>(std::move(config));
  model->init();
  return model;
}

void expect_no_fallbacks() {
  for (const auto& [name, count] : webgl::fallbacks()) {
    ADD_FAILURE() << name << " ran on the CPU " << count << " times";
  }
}

class Accelerator : public ::testing::TestWithParam<std::tuple<std::string, std::string>> {
 protected:
  const std::string& device() const { return std::get<0>(GetParam()); }
  const Fixture fixture = load_fixture(std::get<1>(GetParam()));
};

TEST_P(Accelerator, SaysWhatTransformersSaysWithoutTheCpu) {
  const auto model = open_on(device(), fixture.model, {}, KvDType::float32);
  webgl::reset_fallbacks();
  const auto result = model->complete(fixture.prompt, greedy_options(static_cast<int64_t>(fixture.greedy.size())));
  EXPECT_EQ(result.tokens, fixture.greedy);
  for (std::size_t i = 0; i < fixture.positions.size(); i += 3) {
    const auto logits = model->logits(fixture.ids(fixture.positions[i] + 1));
    EXPECT_LE(largest_difference(logits, fixture.logits[i]),
              test::tolerance(Compared::logits, DType::float32, device()) * fixture.range)
        << fixture.positions[i];
  }
  expect_no_fallbacks();
}

class WithoutBf16Products {
 public:
  WithoutBf16Products() { ops::cpu::allow_bf16_products(false); }
  ~WithoutBf16Products() { ops::cpu::allow_bf16_products(true); }
};

TEST_P(Accelerator, NarrowWeightsSayWhatTheySayOnTheCpu) {
  const WithoutBf16Products unrounded;
  for (const auto dtype : {DType::float16, DType::bfloat16}) {
    SCOPED_TRACE(to_string(dtype));
    const auto here = open_on("cpu", fixture.model, dtype);
    const auto there = open_on(device(), fixture.model, dtype);
    EXPECT_EQ(there->info().dtype, dtype);
    EXPECT_EQ(there->memory()[MemoryKind::weights].bytes, 2 * fixture.parameters) << "narrow on the device too";
    webgl::reset_fallbacks();
    double most = 0;
    for (std::size_t i = 0; i < fixture.positions.size(); i += 3) {
      const auto ids = fixture.ids(fixture.positions[i] + 1);
      most = std::max(most, largest_difference(there->logits(ids), here->logits(ids)) / fixture.range);
    }
    EXPECT_LE(most, test::tolerance(Compared::logits_of_cpu, dtype, device()));
    EXPECT_EQ(there->complete(fixture.prompt, greedy_options(16)).tokens,
              here->complete(fixture.prompt, greedy_options(16)).tokens);
    expect_no_fallbacks();
  }
}

std::shared_ptr<models::LanguageModel> trainable(const Fixture& fixture, at::Device device) {
  models::CheckpointWeights::Options options;
  options.device = device;
  options.dtype = at::kFloat;
  models::CheckpointWeights weights(Checkpoint::open(fixture.model), options);
  auto model = models::create_model(read_json(fixture.model / "config.json"), weights, {device});
  for (auto& parameter : model->parameters()) {
    parameter.requires_grad_(true);
  }
  return model;
}

TEST_P(Accelerator, GradientsAndAnAdamWStepEqualTheCpus) {
  const auto ids = fixture.ids(25);
  const auto tokens = at::tensor(ids, at::kLong);
  const auto inputs = tokens.narrow(0, 0, 24).view({2, 12});
  const auto targets = tokens.narrow(0, 1, 24).view({2, 12});
  const auto place = to_torch(Device::parse(device()));
  const auto here = trainable(fixture, at::kCPU);
  const auto there = trainable(fixture, place);
  webgl::reset_fallbacks();
  training::next_token_loss(here->forward(inputs), targets).backward();
  training::next_token_loss(there->forward(inputs.to(place)), targets.to(place)).backward();
  const auto expected = here->named_parameters();
  for (const auto& entry : there->named_parameters()) {
    const auto gradient = expected[entry.key()].grad();
    ASSERT_TRUE(entry.value().grad().defined()) << entry.key();
    const double scale = std::max(gradient.abs().max().item<double>(), 1e-3);
    EXPECT_LE((entry.value().grad().cpu() - gradient).abs().max().item<double>(),
              test::tolerance(Compared::gradient_of_cpu, DType::float32, device()) * scale)
        << entry.key();
  }
  std::map<std::string, at::Tensor> gradients;
  for (const auto& entry : here->named_parameters()) {
    gradients[entry.key()] = entry.value().grad().clone();
  }
  for (const auto& model : {here, there}) {
    const auto parameters = training::parameters_of(*model);
    training::Optimizer optimizer(parameters, {});
    const auto where = model->parameters().front().device();
    for (auto& parameter : model->parameters()) {
      parameter.mutable_grad() = at::Tensor();
    }
    const training::Batch batch{inputs.to(where), targets.to(where)};
    webgl::reset_transfers();
    const auto loss = training::backward_pass(*model, batch, /*bfloat16=*/false, 1);
    training::update(parameters, optimizer, 1e-3, 1.0, loss, 1);
  }
  if (device() == "webgl") {
    EXPECT_EQ(webgl::transfers().reads, 2) << "the loss and the norm of the gradients";
    EXPECT_EQ(webgl::transfers().read_bytes, 8);
    EXPECT_EQ(webgl::transfers().writes, 0);
  }
  for (const auto& entry : there->named_parameters()) {
    // AdamW's first step goes by the gradient's sign, which is noise where the gradient is nothing else (the bias of
    // keys, which softmax does not see).
    const auto& gradient = gradients[entry.key()];
    const auto sure = gradient.abs() > std::max(1e-3 * gradient.abs().max().item<double>(), 1e-6);
    const auto difference = (entry.value().detach().cpu() - expected[entry.key()].detach()).abs();
    EXPECT_LE(difference.masked_fill(sure.logical_not(), 0).max().item<double>(),
              test::tolerance(Compared::weight_of_cpu, DType::float32, device()))
        << entry.key();
  }
  expect_no_fallbacks();
}

INSTANTIATE_TEST_SUITE_P(All, Accelerator,
                         ::testing::Combine(::testing::ValuesIn(accelerators()), ::testing::ValuesIn(fixture_names())),
                         [](const auto& parameters) {
                           return std::get<0>(parameters.param) + "_" + std::get<1>(parameters.param);
                         });

webgl::Transfers transfers_of(TorchModel& model, const std::vector<int64_t>& prompt, int64_t tokens) {
  webgl::reset_transfers();
  model.complete(prompt, greedy_options(tokens));
  return webgl::transfers();
}

class Webgl : public ::testing::TestWithParam<std::string> {};

TEST_P(Webgl, ATokenSendsItsIdAndReadsItsLogitsBackAndNothingElse) {
  const Fixture fixture = load_fixture(GetParam());
  const auto model = open_on("webgl", fixture.model, {}, {}, /*prefix_cache=*/false);
  const auto row = static_cast<int64_t>(fixture.logits.front().size() * sizeof(float));
  transfers_of(*model, fixture.prompt, 1);  // rotation tables are sent once
  const auto few = transfers_of(*model, fixture.prompt, 3);
  const auto more = transfers_of(*model, fixture.prompt, 13);
  EXPECT_EQ(more.reads - few.reads, 10);
  EXPECT_EQ(more.read_bytes - few.read_bytes, 10 * row);
  EXPECT_EQ(more.writes - few.writes, 10);
  EXPECT_EQ(more.written_bytes - few.written_bytes, 10 * static_cast<int64_t>(sizeof(int64_t)));
  // The prompt: all its ids at once, and nothing read.
  EXPECT_EQ(few.reads, 3);
  EXPECT_EQ(few.read_bytes, 3 * row);
  EXPECT_EQ(few.writes, 3);
  EXPECT_EQ(few.written_bytes, static_cast<int64_t>((fixture.prompt.size() + 2) * sizeof(int64_t)));
}

INSTANTIATE_TEST_SUITE_P(All, Webgl, ::testing::ValuesIn(fixture_names()), [](const auto& name) { return name.param; });

class AcceleratorModel : public ::testing::TestWithParam<std::string> {};

TEST_P(AcceleratorModel, BundledModelSaysWhatItSaysOnTheCpu) {
  const auto there = open_on(GetParam(), bundled_model_path());
  webgl::reset_fallbacks();
  const std::string prompt = "python3-yaml\t";
  const auto text = there->complete(prompt, greedy_options(24)).text;
  expect_no_fallbacks();
  EXPECT_EQ(text, open_on("cpu", bundled_model_path())->complete(prompt, greedy_options(24)).text);
}

TEST_P(AcceleratorModel, TwoThreadsGetWhatEachGetsAlone) {
  const Fixture fixture = load_fixture("llama");
  const auto model = open_on(GetParam(), fixture.model);
  std::vector<int64_t> other(fixture.prompt.rbegin(), fixture.prompt.rend());
  const auto alone = model->complete(other, greedy_options(24)).tokens;
  std::vector<int64_t> first;
  std::vector<int64_t> second;
  std::thread thread([&] { first = model->complete(fixture.prompt, greedy_options(24)).tokens; });
  second = model->complete(other, greedy_options(24)).tokens;
  thread.join();
  EXPECT_EQ(first, std::vector<int64_t>(fixture.greedy.begin(), fixture.greedy.begin() + 24));
  EXPECT_EQ(second, alone);
}

TEST_P(AcceleratorModel, APrefixThatIsFoundChangesNothing) {
  const Fixture fixture = load_fixture("llama");
  const auto with = open_on(GetParam(), fixture.model);
  const auto without = open_on(GetParam(), fixture.model, {}, {}, /*prefix_cache=*/false);
  auto prompt = fixture.prompt;
  for (int turn = 0; turn < 4; ++turn) {
    const auto found = with->complete(prompt, greedy_options(9));
    EXPECT_EQ(found.tokens, without->complete(prompt, greedy_options(9)).tokens);
    EXPECT_EQ(found.usage.cached_tokens > 0, turn > 0);
    prompt.insert(prompt.end(), found.tokens.begin(), found.tokens.end());
    prompt.push_back(5);
  }
}

TEST_P(AcceleratorModel, MemoryIsCountedByKindAndCleanupGivesItBack) {
  const auto device = Device::parse(GetParam());
  const auto before = memory_use(device).total.bytes;
  const Fixture fixture = load_fixture("llama");
  const auto model = open_on(GetParam(), fixture.model, DType::float32);
  EXPECT_EQ(model->memory()[MemoryKind::weights].bytes, 4 * fixture.parameters);
  model->complete(fixture.prompt, greedy_options(4));
  EXPECT_GT(model->memory()[MemoryKind::kv_cache].peak, 0);
  EXPECT_GT(model->memory().prefixes.bytes, 0);
  EXPECT_EQ(model->memory()[MemoryKind::kv_cache].bytes, model->memory().prefixes.bytes) << "what may be found again";
  EXPECT_GT(model->memory()[MemoryKind::activations].peak, 0);
  EXPECT_GT(memory_use(device).total.bytes, before);
  model->cleanup();
  EXPECT_EQ(model->memory().total.bytes, 0);
  EXPECT_EQ(memory_use(device).total.bytes, before);
}

INSTANTIATE_TEST_SUITE_P(All, AcceleratorModel, ::testing::ValuesIn(accelerators()),
                         [](const auto& device) { return device.param; });

TEST(WebglModel, CleanupGivesTheBuffersBack) {
  const auto before = webgl::memory().allocated;
  const auto model = open_on("webgl", load_fixture("llama").model);
  EXPECT_GT(webgl::memory().allocated, before);
  model->cleanup();
  EXPECT_EQ(webgl::memory().allocated, before);
}

}  // namespace
}  // namespace dstorch::parity
