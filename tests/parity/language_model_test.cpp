// Every supported architecture against Hugging Face transformers: logits at every position, greedy tokens.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "parity/fixture.h"
#include "support/tolerances.h"

namespace dstorch::parity {
namespace {

namespace fs = std::filesystem;
using test::Compared;

void expect_parity(TorchModel& model, const Fixture& fixture) {
  const auto dtype = parse_dtype(fixture.weights_dtype).value();
  double exact = 0;
  double same_dtype = 0;
  for (std::size_t i = 0; i < fixture.positions.size(); ++i) {
    const auto logits = model.logits(fixture.ids(fixture.positions[i] + 1));
    exact = std::max(exact, largest_difference(logits, fixture.logits[i]) / fixture.range);
    ASSERT_LE(exact, test::tolerance(Compared::logits, dtype)) << "position " << fixture.positions[i];
    if (!fixture.logits_bf16.empty()) {
      same_dtype = std::max(same_dtype, largest_difference(logits, fixture.logits_bf16[i]) / fixture.range);
      ASSERT_LE(same_dtype, test::tolerance(Compared::logits_of_dtype, dtype)) << "position " << fixture.positions[i];
    }
  }
  ::testing::Test::RecordProperty("largest_difference_ppm", static_cast<int>(exact * 1e6));

  const auto result = model.complete(fixture.prompt, greedy_options(static_cast<int64_t>(fixture.greedy.size())));
  EXPECT_EQ(result.tokens, fixture.greedy);
  EXPECT_EQ(result.finish_reason, FinishReason::length);
  EXPECT_EQ(result.usage.prompt_tokens, static_cast<int64_t>(fixture.prompt.size()));
  EXPECT_EQ(result.usage.completion_tokens, static_cast<int64_t>(fixture.greedy.size()));
}

class LanguageModel : public ::testing::TestWithParam<std::string> {};

TEST_P(LanguageModel, SaysWhatTransformersSays) {
  const Fixture fixture = load_fixture(GetParam());
  const auto model = open_model(fixture.model);
  expect_parity(*model, fixture);
}

TEST_P(LanguageModel, IsDescribed) {
  const Fixture fixture = load_fixture(GetParam());
  const auto model = open_model(fixture.model);
  const ModelInfo info = model->info();
  const Json config = read_json(fixture.model / "config.json");
  EXPECT_EQ(info.model_type, config["model_type"].get<std::string>());
  EXPECT_EQ(info.parameters, fixture.parameters);
  EXPECT_EQ(to_string(info.dtype), fixture.weights_dtype);
  EXPECT_EQ(info.weight_bytes, fixture.parameters * static_cast<int64_t>(size_of(info.dtype)));
  EXPECT_EQ(info.vocab_size, config["vocab_size"]);
  const bool gpt2 = info.model_type == "gpt2";
  EXPECT_EQ(info.hidden_size, config[gpt2 ? "n_embd" : "hidden_size"]);
  EXPECT_EQ(info.num_layers, config[gpt2 ? "n_layer" : "num_hidden_layers"]);
  // LongRoPE's frequencies are others behind the length that the model was first trained with.
  const bool longrope = !gpt2 && config["rope_parameters"].value("rope_type", "") == "longrope";
  EXPECT_EQ(info.max_context, config[gpt2       ? "n_positions"
                                     : longrope ? "original_max_position_embeddings"
                                                : "max_position_embeddings"]);
}

// The token that ends an answer is part of it and the last one.
TEST_P(LanguageModel, StopsAtItsEndToken) {
  const Fixture fixture = load_fixture(GetParam());
  const auto model = open_model(fixture.model);
  GenerationOptions options = greedy_options(64);
  options.ignore_eos = false;
  const auto result = model->complete(fixture.prompt, options);
  EXPECT_EQ(result.finish_reason, FinishReason::stop);
  EXPECT_EQ(result.tokens,
            std::vector<int64_t>(fixture.greedy.begin(), fixture.greedy.begin() + fixture.eos_index + 1));
}

INSTANTIATE_TEST_SUITE_P(All, LanguageModel, ::testing::ValuesIn(fixture_names()),
                         [](const auto& name) { return name.param; });

// The same model under a config.json in the words of transformers 4: rope_theta, rope_scaling, torch_dtype, and without
// the keys that came later.
class OldConfig : public ::testing::TestWithParam<std::string> {};

TEST_P(OldConfig, IsReadAlike) {
  const Fixture fixture = load_fixture(GetParam());
  const TemporaryFolder folder;
  fs::copy(fixture.model / "model.safetensors", folder.path());
  fs::copy_file(fixture.model.parent_path() / "old_config.json", folder.path() / "config.json");
  const auto model = open_model(folder.path());
  expect_parity(*model, fixture);
}

INSTANTIATE_TEST_SUITE_P(All, OldConfig, ::testing::ValuesIn(old_config_names()),
                         [](const auto& name) { return name.param; });

// A model that was stored in one dtype can run in another.
TEST(Conversion, Float32WeightsRunAsBfloat16) {
  const Fixture fixture = load_fixture("llama_bf16");
  TorchModelConfig config;
  config.model_path = fixtures_path() / "llama/model";
  config.dtype = DType::bfloat16;
  TorchModel model(config);
  model.init();
  EXPECT_EQ(model.info().dtype, DType::bfloat16);
  expect_parity(model, fixture);
}

TEST(Conversion, Bfloat16WeightsRunAsFloat32) {
  Fixture fixture = load_fixture("qwen3_bf16");
  TorchModelConfig config;
  config.model_path = fixture.model;
  config.dtype = DType::float32;
  TorchModel model(config);
  model.init();
  fixture.weights_dtype = "float32";  // nothing is rounded any more: the tight bar holds
  fixture.logits_bf16.clear();
  expect_parity(model, fixture);
}

}  // namespace
}  // namespace dstorch::parity
