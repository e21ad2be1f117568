// What is assumed for keys that a config.json leaves out, against Hugging Face's configuration classes;
// tools/make_config_defaults.py asked them.
#include <gtest/gtest.h>

#include "models/registry.h"
#include "support/paths.h"

namespace dstorch::models {
namespace {

/// The model of `config` with weights that depend on their shapes alone.
std::shared_ptr<LanguageModel> model_of(const Json& config) {
  nn::FreshWeights weights(at::kFloat);
  auto model = create_model(config, weights);
  const at::NoGradGuard no_grad;
  at::manual_seed(5);
  for (auto& parameter : model->parameters()) {
    parameter.copy_(at::randn(parameter.sizes()) * 0.3);
    parameter.requires_grad_(false);
  }
  return model;
}

/// The logits after the last of `count` tokens.
at::Tensor logits_of(const Json& config, int64_t count) {
  const at::NoGradGuard no_grad;
  const auto model = model_of(config);
  at::manual_seed(6);
  const auto tokens = at::randint(config["vocab_size"].get<int64_t>(), {1, count}, at::kLong);
  return model->forward(tokens).select(1, count - 1);
}

Json merged(Json config, const Json& more) {
  config.update(more);
  return config;
}

class ConfigDefaults : public testing::TestWithParam<Json> {
 protected:
  const Json config_ = GetParam()["config"];
  const Json defaults_ = GetParam()["defaults"];
};

TEST_P(ConfigDefaults, SizesAreThoseOfTheReference) {
  const auto model = model_of(config_);
  const auto& sizes = model->sizes();
  const auto expect = [&](const char* key, int64_t value) {
    if (defaults_.contains(key)) {
      EXPECT_EQ(value, defaults_[key].get<int64_t>()) << key;
    }
  };
  expect("num_key_value_heads", sizes.num_kv_heads);
  expect("head_dim", sizes.head_dim);
  expect("max_position_embeddings", sizes.max_positions);
  expect("n_positions", sizes.max_positions);
  if (config_["model_type"] == "gemma3_text" || config_["model_type"] == "gemma2") {
    ASSERT_EQ(model->kv_layout().groups.size(), 2U);
    EXPECT_EQ(model->kv_layout().groups.front().window, defaults_["sliding_window"].get<int64_t>());
    EXPECT_EQ(model->kv_layout().groups.front().layers, config_["model_type"] == "gemma2" ? 3 : 5);
  }
  EXPECT_EQ(sizes.tied, defaults_["tie_word_embeddings"].get<bool>());
  EXPECT_EQ(model->named_parameters().contains(model->parts().head + ".weight"), !sizes.tied);
}

TEST_P(ConfigDefaults, AKeyLeftOutMeansWhatTheReferenceAssumes) {
  // Mistral's default window only shows behind it.
  const int64_t count = config_["model_type"] == "mistral" ? 4200 : 40;
  const auto expected = logits_of(merged(config_, defaults_), count);
  EXPECT_TRUE(at::equal(logits_of(config_, count), expected));
  // Keys that would change the answer do, so that the comparison above means something.
  const double attention_cap = config_["model_type"] == "gemma2" ? 3.0 : 0.0;
  for (const auto& [key, value] : std::map<std::string, Json>{{"rms_norm_eps", 0.5},
                                                              {"layer_norm_epsilon", 0.5},
                                                              {"layer_norm_eps", 0.5},
                                                              {"rotary_emb_base", 77.0},
                                                              {"rotary_pct", 0.5},
                                                              {"embedding_multiplier", 3.0},
                                                              {"residual_multiplier", 0.5},
                                                              {"attention_multiplier", 0.5},
                                                              {"logits_scaling", 3.0},
                                                              {"rope_theta", 77.0},
                                                              {"rope_local_base_freq", 77.0},
                                                              {"query_pre_attn_scalar", 7},
                                                              {"hidden_act", "relu"},
                                                              {"hidden_activation", "silu"},
                                                              {"final_logit_softcapping", 3.0},
                                                              {"attn_logit_softcapping", attention_cap},
                                                              {"activation_function", "relu"},
                                                              {"no_rope_layer_interval", 2}}) {
    if (defaults_.contains(key) && value != 0.0) {
      EXPECT_FALSE(at::equal(logits_of(merged(config_, {{key, value}}), 40), logits_of(config_, 40))) << key;
    }
  }
}

std::vector<Json> models_of_the_reference() {
  const auto json = read_json(test::source_dir() / "tests/data/config_defaults.json");
  return json["models"].get<std::vector<Json>>();
}

INSTANTIATE_TEST_SUITE_P(All, ConfigDefaults, testing::ValuesIn(models_of_the_reference()), [](const auto& model) {
  return model.param["config"]["model_type"].template get<std::string>();
});

Json qwen2() {
  return {{"model_type", "qwen2"},  {"vocab_size", 40},         {"hidden_size", 16},       {"intermediate_size", 12},
          {"num_hidden_layers", 3}, {"num_attention_heads", 4}, {"num_key_value_heads", 2}};
}

TEST(Config, Qwen2sOutputHasNoBiasWhateverAttentionBiasSays) {
  const auto parameters = model_of(merged(qwen2(), {{"attention_bias", true}}))->named_parameters();
  EXPECT_TRUE(parameters.contains("model.layers.0.self_attn.q_proj.bias"));
  EXPECT_FALSE(parameters.contains("model.layers.0.self_attn.o_proj.bias"));
}

TEST(Config, Qwen2sWindowIs4096FromItsFirstSlidingLayerOn) {
  const auto sliding = merged(qwen2(), {{"use_sliding_window", true}, {"max_window_layers", 1}});
  const auto expected = logits_of(merged(sliding, {{"sliding_window", 4096}}), 4200);
  EXPECT_TRUE(at::equal(logits_of(sliding, 4200), expected));
  EXPECT_FALSE(at::equal(logits_of(merged(sliding, {{"max_window_layers", 3}}), 4200), expected));
}

}  // namespace
}  // namespace dstorch::models
