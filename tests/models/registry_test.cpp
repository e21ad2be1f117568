#include "models/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "dstorch/checkpoint.h"
#include "models/checkpoint_weights.h"

namespace dstorch::models {
namespace {

using testing::HasSubstr;

Json tiny_config() {
  return {{"model_type", "llama"},    {"vocab_size", 16},
          {"hidden_size", 8},         {"intermediate_size", 12},
          {"num_hidden_layers", 1},   {"num_attention_heads", 2},
          {"num_key_value_heads", 1}, {"max_position_embeddings", 32}};
}

std::string error_of(const Json& config) {
  nn::FreshWeights weights(at::kFloat);
  try {
    create_model(config, weights);
  } catch (const LMError& e) {
    return e.what();
  }
  return "no error";
}

std::vector<TensorView> views_of(const std::map<std::string, at::Tensor>& tensors) {
  std::vector<TensorView> views;
  for (const auto& [name, tensor] : tensors) {
    TensorView view;
    view.name = name;
    view.shape = tensor.sizes().vec();
    view.strides = tensor.strides().vec();
    view.storage = {static_cast<const std::byte*>(tensor.data_ptr()), tensor.nbytes()};
    views.push_back(view);
  }
  return views;
}

/// The weights of a tiny model under their checkpoint names.
std::map<std::string, at::Tensor> tiny_weights() {
  nn::FreshWeights weights(at::kFloat);
  const auto model = create_model(tiny_config(), weights);
  std::map<std::string, at::Tensor> tensors;
  for (const auto& parameter : model->named_parameters()) {
    tensors[parameter.key()] = parameter.value().detach();
  }
  return tensors;
}

std::string load_error(const std::map<std::string, at::Tensor>& tensors) {
  const auto path = std::filesystem::path(testing::TempDir()) / "dstorch_registry_test.safetensors";
  save_safetensors(path, views_of(tensors));
  CheckpointWeights weights(Checkpoint::open(path), {});
  std::string message = "no error";
  try {
    create_model(tiny_config(), weights);
    weights.finish();
  } catch (const LMError& e) {
    message = e.what();
  }
  std::filesystem::remove(path);
  return message;
}

TEST(Registry, AnUnknownTypeListsTheKnown) {
  auto config = tiny_config();
  config["model_type"] = "mamba";
  const auto message = error_of(config);
  EXPECT_THAT(message, HasSubstr("\"mamba\""));
  for (const auto& type : known_model_types()) {
    EXPECT_THAT(message, HasSubstr(type));
  }
}

TEST(Registry, RefusesConfigsThatMakeNoSense) {
  for (const auto& [key, value] : std::vector<std::pair<std::string, Json>>{{"hidden_size", 0},
                                                                            {"hidden_size", "eight"},
                                                                            {"num_hidden_layers", -3},
                                                                            {"vocab_size", int64_t{1} << 40},
                                                                            {"num_key_value_heads", 3},
                                                                            {"max_position_embeddings", 0},
                                                                            {"hidden_act", "tanhshrink"}}) {
    auto config = tiny_config();
    config[key] = value;
    EXPECT_NE(error_of(config), "no error") << key;
  }
  auto config = tiny_config();
  config.erase("hidden_size");
  EXPECT_THAT(error_of(config), HasSubstr("hidden_size"));
}

TEST(CheckpointWeights, LoadsWhatFits) { EXPECT_EQ(load_error(tiny_weights()), "no error"); }

TEST(CheckpointWeights, ListsEveryMismatchByName) {
  auto tensors = tiny_weights();
  tensors.erase("model.norm.weight");
  tensors["model.layers.0.mlp.up_proj.weight"] = at::zeros({12, 9});
  tensors["model.layers.0.self_attn.z_proj.weight"] = at::zeros({2});
  const auto message = load_error(tensors);
  EXPECT_THAT(message, HasSubstr("missing: model.norm.weight [8]"));
  EXPECT_THAT(message, HasSubstr("misshapen: model.layers.0.mlp.up_proj.weight must be [12, 8], is [12, 9]"));
  EXPECT_THAT(message, HasSubstr("unexpected: model.layers.0.self_attn.z_proj.weight [2]"));
}

TEST(CheckpointWeights, ForgivesOldBuffersAndTheBareModelsNames) {
  auto tensors = tiny_weights();
  tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = at::zeros({2});
  EXPECT_EQ(load_error(tensors), "no error");
  std::map<std::string, at::Tensor> bare;
  for (const auto& [name, tensor] : tiny_weights()) {
    bare[name.starts_with("model.") ? name.substr(6) : name] = tensor;
  }
  EXPECT_EQ(load_error(bare), "no error");
}

}  // namespace
}  // namespace dstorch::models
