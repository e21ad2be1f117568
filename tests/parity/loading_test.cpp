// Every kind of path that a TorchModel takes, as the documentation lists them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dstorch/checkpoint.h"
#include "parity/fixture.h"

namespace dstorch::parity {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// Four containers of the same weights give the same bits.
TEST(Loading, ContainersOfTheSameWeightsAreTheSameModel) {
  const std::vector<std::pair<std::string, std::string>> pairs = {{"smollm2_sharded", "smollm2_bf16"},
                                                                  {"smollm2_bin", "smollm2_bf16"},
                                                                  {"qwen2_bin_sharded", "qwen2_bf16"},
                                                                  {"gpt2_legacy_bin", "gpt2_bf16"}};
  for (const auto& [container, plain] : pairs) {
    const Fixture fixture = load_fixture(container);
    EXPECT_EQ(open_model(fixture.model)->logits(fixture.prompt),
              open_model(load_fixture(plain).model)->logits(fixture.prompt))
        << container;
  }
}

TEST(Loading, ModelDirectory) {
  TorchModelConfig config;
  config.model_path = fixtures_path() / "text/model";
  TorchModel model(config);
  EXPECT_FALSE(model.initialized());
  model.init();
  EXPECT_TRUE(model.initialized());
  EXPECT_EQ(model.info().model_type, "llama");
  GenerationOptions options;
  options.max_tokens = 5;
  options.temperature = 0;
  EXPECT_EQ(model.generate("A mapped file costs", options), " nothing ");
}

TEST(Loading, DirectoryWithoutTokenizerTakesIds) {
  const Fixture fixture = load_fixture("llama");
  const auto model = open_model(fixture.model);
  EXPECT_EQ(model->tokenizer(), nullptr);
  const auto result = model->complete(fixture.prompt, greedy_options(3));
  EXPECT_EQ(result.tokens, std::vector<int64_t>(fixture.greedy.begin(), fixture.greedy.begin() + 3));
  EXPECT_EQ(result.text, "");
  try {
    (void)model->generate("Hello");
    FAIL() << "there is no tokenizer";
  } catch (const LMError& error) {
    EXPECT_THAT(error.what(), HasSubstr("tokenizer"));
  }
}

TEST(Loading, TokenizerFromElsewhere) {
  const TemporaryFolder folder;
  for (const char* file : {"config.json", "model.safetensors"}) {
    fs::copy_file(fixtures_path() / "text/model" / file, folder.path() / file);
  }
  TorchModelConfig config;
  config.model_path = folder.path();
  config.tokenizer_path = fixtures_path() / "text/model/tokenizer.json";
  TorchModel model(config);
  model.init();
  EXPECT_EQ(model.complete("A mapped file costs", greedy_options(5)).text, " nothing ");
}

TEST(Loading, StateDict) {
  const auto model = open_model(fixtures_path() / "simple/one_input.pt");
  EXPECT_EQ(model->info().model_type, "simple_transformer");
  EXPECT_THAT(model->generate("Hello"), HasSubstr("Torch model output (shape: 1x10, values: "));
}

TEST(Loading, TorchScriptArchive) {
  EXPECT_THAT(open_model(fixtures_path() / "torchscript/network.pt")->generate("Hello"),
              HasSubstr("Torch model output (shape: 1x4, values: "));
}

TEST(Loading, ArchitectureAlone) {
  TorchModelConfig config;
  config.architecture = Architecture{1, 16, 10, 2};
  TorchModel model(config);
  model.init();
  const std::string answer = model.generate("Hello");
  EXPECT_THAT(answer, HasSubstr("Torch model output (shape: 1x10, values: "));
  EXPECT_EQ(model.generate("World"), answer);  // with one input a prompt is its length
  EXPECT_NE(model.generate("Hello, World"), answer);
}

TEST(Loading, NothingIsAnError) {
  try {
    TorchModel model{TorchModelConfig{}};
    model.init();
    FAIL() << "there is nothing to load";
  } catch (const LMError& error) {
    EXPECT_THAT(error.what(), HasSubstr("Either modelPath or architecture must be specified"));
  }
}

TEST(Loading, WrongPathsSayWhatWasLookedFor) {
  const TemporaryFolder empty;
  write_text(empty.path() / "notes.txt", "nothing here");
  for (const fs::path& path : {fs::path("/no/such/model"), empty.path(), empty.path() / "notes.txt"}) {
    TorchModelConfig config;
    config.model_path = path;
    TorchModel model(config);
    try {
      model.init();
      FAIL() << path;
    } catch (const LMError& error) {
      EXPECT_THAT(error.what(), HasSubstr("Failed to initialize Torch model: "));
      EXPECT_THAT(describe(error.cause()), HasSubstr("Failed to load model from path: " + path.string()));
      EXPECT_THAT(error.what(), HasSubstr(path.string()));
    }
    EXPECT_FALSE(model.initialized());
  }
}

TEST(Loading, AgainAfterCleanup) {
  const Fixture fixture = load_fixture("gpt2");
  const auto model = open_model(fixture.model);
  const auto logits = model->logits(fixture.prompt);
  model->cleanup();
  model->cleanup();
  try {
    (void)model->logits(fixture.prompt);
    FAIL() << "it was cleaned up";
  } catch (const LMError& error) {
    EXPECT_EQ(error.kind(), ErrorKind::not_initialized);
    EXPECT_THAT(error.what(), HasSubstr("Torch model not initialized. Call init() first."));
  }
  model->init();
  EXPECT_EQ(model->logits(fixture.prompt), logits);
}

TEST(Loading, ProgressIsToldAndCanCancel) {
  TorchModelConfig config;
  config.model_path = load_fixture("llama").model;
  int calls = 0;
  config.on_progress = [&](const Progress& progress) {
    EXPECT_LE(progress.done, progress.total);
    return ++calls < 3;
  };
  TorchModel model(config);
  try {
    model.init();
    FAIL() << "it was cancelled";
  } catch (const LMError& error) {
    EXPECT_EQ(error.kind(), ErrorKind::cancelled);
  }
  EXPECT_EQ(calls, 3);
  EXPECT_FALSE(model.initialized());
}

}  // namespace
}  // namespace dstorch::parity
