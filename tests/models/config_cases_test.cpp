// What config.json files mean, key by key, against Hugging Face's classes; tools/make_config_cases.py asked them.
#include <gtest/gtest.h>

#include "models/registry.h"
#include "support/paths.h"
#include "support/tolerances.h"

namespace dstorch::models {
namespace {

/// Weights that depend on their names and places alone, by the formula of tools/make_config_cases.py.
class FormulaWeights : public nn::WeightSource {
 public:
  at::Tensor get(const std::string& name, at::IntArrayRef shape, bool transposed) override {
    uint32_t seed = 2166136261U;
    for (const char byte : name) {
      seed = (seed ^ static_cast<unsigned char>(byte)) * 16777619U;
    }
    const bool is_norm =
        name.ends_with("norm.weight") || (name.find(".ln_") != std::string::npos && name.ends_with("weight"));
    auto tensor = at::empty(shape, at::kFloat);
    for (int64_t i = 0; i < tensor.numel(); ++i) {
      uint32_t x = seed + static_cast<uint32_t>(i) * 2654435761U;
      x = (x ^ (x >> 16U)) * 0x45D9F3BU;
      x ^= x >> 16U;
      tensor.data_ptr<float>()[i] = static_cast<float>(x / 4294967296.0 - 0.5 + (is_norm ? 1 : 0));
    }
    return transposed ? tensor.t().contiguous().t() : tensor;
  }
  [[nodiscard]] bool has(const std::string&) const override { return true; }
  [[nodiscard]] bool trainable() const override { return false; }
};

at::Tensor last_logits(const Json& config, const std::vector<int64_t>& ids) {
  const at::NoGradGuard no_grad;
  FormulaWeights weights;
  const auto model = create_model(config, weights);
  const auto tokens = at::tensor(ids, at::kLong).unsqueeze(0);
  return model->forward(tokens)[0][static_cast<int64_t>(ids.size()) - 1];
}

class ConfigCase : public testing::TestWithParam<Json> {};

TEST_P(ConfigCase, MeansWhatItMeansThere) {
  const auto& config = GetParam()["config"];
  if (GetParam().contains("refused")) {
    EXPECT_THROW(last_logits(config, {1, 2}), LMError) << GetParam()["refused"];
    return;
  }
  const auto expected = at::tensor(GetParam()["logits"].get<std::vector<float>>());
  const auto logits = last_logits(config, GetParam()["ids"].get<std::vector<int64_t>>());
  ASSERT_EQ(logits.sizes(), expected.sizes());
  EXPECT_LT((logits - expected).abs().max().item<double>(), test::tolerance(test::Compared::logits_of_config));
}

std::vector<Json> all_cases() {
  return read_json(test::source_dir() / "tests/data/config_cases.json")["cases"].get<std::vector<Json>>();
}

INSTANTIATE_TEST_SUITE_P(All, ConfigCase, testing::ValuesIn(all_cases()), [](const auto& one) {
  auto name = one.param["name"].template get<std::string>();
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
});

TEST(Config, LongRopeEndsWhereItsFrequenciesDo) {
  FormulaWeights weights;
  Json config = all_cases().front()["config"];
  config["rope_scaling"] = {{"rope_type", "longrope"},
                            {"short_factor", std::vector<double>(4, 1.0)},
                            {"long_factor", std::vector<double>(4, 2.0)},
                            {"original_max_position_embeddings", 32}};
  EXPECT_EQ(create_model(config, weights)->sizes().max_positions, 32);
}

// Of a null the default, 4096, would be seen after so many tokens only.
TEST(Config, AWindowOfNullIsNone) {
  for (const auto& one : all_cases()) {
    if (one["name"] == "mistral without a window" || one["name"] == "mistral") {
      FormulaWeights weights;
      const auto& config = one["config"];
      const auto layout = create_model(config, weights)->kv_layout();
      ASSERT_EQ(layout.groups.size(), 1U);
      EXPECT_EQ(layout.groups.front().window, config["sliding_window"].is_null() ? 0 : 5);
    }
  }
}

TEST(Config, Phi3sFirstWordForLongRopeIsKnown) {
  Json config = all_cases().front()["config"];
  config.update({{"model_type", "phi3"}, {"sliding_window", nullptr}, {"original_max_position_embeddings", 32}});
  config["rope_scaling"] = {{"type", "su"},
                            {"short_factor", std::vector<double>{1.0, 1.5, 2.5, 4.0}},
                            {"long_factor", std::vector<double>(4, 2.0)}};
  const auto first = last_logits(config, {1, 2, 3});
  config["rope_scaling"]["type"] = "longrope";
  EXPECT_TRUE(at::equal(last_logits(config, {1, 2, 3}), first));
  config.erase("rope_scaling");
  EXPECT_FALSE(at::equal(last_logits(config, {1, 2, 3}), first));
}

}  // namespace
}  // namespace dstorch::models
