// Generation on the webgl device: the reference's tokens, no op on the CPU.
#include "device/webgl/webgl.h"

#include <gtest/gtest.h>

#include <thread>

#include "core/throw.h"
#include "parity/fixture.h"

namespace dstorch::parity {
namespace {

std::unique_ptr<TorchModel> open_on(const char* device, const std::filesystem::path& path) {
  TorchModelConfig config;
  config.model_path = path;
  config.device = Device::parse(device);
  config.threads = 1;
  auto model = std::make_unique<TorchModel>(std::move(config));
  model->init();
  return model;
}

void expect_no_fallbacks() {
  for (const auto& [name, count] : webgl::fallbacks()) {
    ADD_FAILURE() << name << " ran on the CPU " << count << " times";
  }
}

class Webgl : public ::testing::TestWithParam<std::string> {};

TEST_P(Webgl, SaysWhatTransformersSaysWithoutTheCpu) {
  const Fixture fixture = load_fixture(GetParam());
  const auto model = open_on("webgl", fixture.model);
  webgl::reset_fallbacks();
  const auto result = model->complete(fixture.prompt, greedy_options(static_cast<int64_t>(fixture.greedy.size())));
  EXPECT_EQ(result.tokens, fixture.greedy);
  for (std::size_t i = 0; i < fixture.positions.size(); i += 3) {
    const auto logits = model->logits(fixture.ids(fixture.positions[i] + 1));
    EXPECT_LE(largest_difference(logits, fixture.logits[i]), 1e-4 * fixture.range) << fixture.positions[i];
  }
  expect_no_fallbacks();
}

INSTANTIATE_TEST_SUITE_P(All, Webgl, ::testing::ValuesIn(fixture_names()), [](const auto& name) { return name.param; });

TEST(WebglModel, BundledModelSaysWhatItSaysOnTheCpu) {
  const auto there = open_on("webgl", bundled_model_path());
  webgl::reset_fallbacks();
  const std::string prompt = "python3-yaml\t";
  const auto text = there->complete(prompt, greedy_options(24)).text;
  expect_no_fallbacks();
  EXPECT_EQ(text, open_on("cpu", bundled_model_path())->complete(prompt, greedy_options(24)).text);
}

TEST(WebglModel, TwoThreadsGetWhatEachGetsAlone) {
  const Fixture fixture = load_fixture("llama");
  const auto model = open_on("webgl", fixture.model);
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

TEST(WebglModel, CleanupGivesTheMemoryBack) {
  const auto before = webgl::memory().allocated;
  const auto model = open_on("webgl", load_fixture("llama").model);
  EXPECT_GT(webgl::memory().allocated, before);
  model->cleanup();
  EXPECT_EQ(webgl::memory().allocated, before);
}

}  // namespace
}  // namespace dstorch::parity
