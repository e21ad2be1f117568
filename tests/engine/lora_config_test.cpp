// Which layers an adapter_config.json means, as peft reads it.
#include "engine/lora_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "dstorch/error.h"

namespace dstorch::engine {
namespace {

LoraConfig parse(const std::string& more) {
  return LoraConfig::from_json(R"({"peft_type": "LORA", "r": 8, "lora_alpha": 16, )" + more + "}", "the config");
}

bool changes(const LoraConfig& config, const std::string& module) {
  models::ModelParts parts;
  parts.head = "lm_head";
  return config.changes(module, parts);
}

TEST(LoraConfig, AListNamesWholeModulesOrWhatTheyEndWith) {
  const auto config = parse(R"("target_modules": ["q_proj", "model.layers.1.mlp.up_proj"])");
  EXPECT_TRUE(changes(config, "model.layers.0.self_attn.q_proj"));
  EXPECT_TRUE(changes(config, "model.layers.1.mlp.up_proj"));
  EXPECT_TRUE(changes(config, "q_proj"));
  EXPECT_FALSE(changes(config, "model.layers.0.mlp.up_proj"));
  EXPECT_FALSE(changes(config, "model.layers.0.self_attn.kq_proj")) << "after a dot only";
}

TEST(LoraConfig, ATextIsAnExpressionForWholeNames) {
  const auto config = parse(R"x("target_modules": ".*\\.(q|v)_proj")x");
  EXPECT_TRUE(changes(config, "model.layers.0.self_attn.v_proj"));
  EXPECT_FALSE(changes(config, "model.layers.0.self_attn.v_proj.more"));
  EXPECT_FALSE(changes(config, "v_proj"));
  const auto all = parse(R"("target_modules": "All-Linear")");
  EXPECT_TRUE(changes(all, "anything"));
  EXPECT_FALSE(changes(all, "lm_head"));
}

TEST(LoraConfig, LayersAndExcludedModulesNarrowIt) {
  const auto some = parse(R"("target_modules": ["up_proj"], "layers_to_transform": [1, 3])");
  EXPECT_TRUE(changes(some, "model.layers.3.mlp.up_proj"));
  EXPECT_FALSE(changes(some, "model.layers.2.mlp.up_proj"));
  EXPECT_TRUE(changes(some, "up_proj")) << "a whole name is meant wherever it is";
  const auto named = parse(R"("target_modules": ["up_proj"], "layers_to_transform": 1, "layers_pattern": ["blocks"])");
  EXPECT_TRUE(changes(named, "model.blocks.1.up_proj"));
  EXPECT_FALSE(changes(named, "model.layers.1.up_proj"));
  EXPECT_TRUE(changes(named, "model.layers.0.blocks.1.up_proj"));
  EXPECT_FALSE(changes(named, "model.layers.1.blocks.0.up_proj"));
  const auto without = parse(R"("target_modules": "all-linear", "exclude_modules": ["o_proj"])");
  EXPECT_FALSE(changes(without, "model.layers.0.self_attn.o_proj"));
  const auto expression = parse(R"x("target_modules": ["o_proj"], "exclude_modules": ".*\\.0\\..*")x");
  EXPECT_FALSE(changes(expression, "model.layers.0.self_attn.o_proj"));
  EXPECT_TRUE(changes(expression, "model.layers.1.self_attn.o_proj"));
  const auto saved = parse(R"("target_modules": ["o_proj", "lm_head"], "modules_to_save": ["lm_head"])");
  EXPECT_FALSE(changes(saved, "lm_head"));
  EXPECT_TRUE(saved.replaces("lm_head"));
  EXPECT_FALSE(saved.replaces("lm_heads"));
}

TEST(LoraConfig, TheFirstPatternThatMatchesDecidesRankAndAlpha) {
  const auto config = parse(
      R"x("target_modules": "all-linear", "rank_pattern": {"up_proj": 2, ".*mlp.*": 4}, "alpha_pattern": {"layers.1.mlp.up_proj": 5, "up_proj": 6})x");
  EXPECT_EQ(config.rank_of("model.layers.0.mlp.up_proj"), 2);
  EXPECT_EQ(config.rank_of("model.layers.0.mlp.down_proj"), 4);
  EXPECT_EQ(config.rank_of("model.layers.0.self_attn.q_proj"), 8);
  EXPECT_EQ(config.alpha_of("model.layers.1.mlp.up_proj"), 5);
  EXPECT_EQ(config.alpha_of("model.layers.0.mlp.up_proj"), 6);
  EXPECT_DOUBLE_EQ(config.scale_of("model.layers.0.mlp.up_proj"), 3);
  const auto root = parse(R"("target_modules": "all-linear", "use_rslora": true)");
  EXPECT_DOUBLE_EQ(root.scale_of("q_proj"), 16 / std::sqrt(8.0));
}

TEST(LoraConfig, WhatMakesNoSenseIsAFormatError) {
  const auto kind = [](const std::string& more) {
    try {
      parse(more);
    } catch (const LMError& e) {
      return e.kind();
    }
    ADD_FAILURE() << more;
    return ErrorKind::internal;
  };
  EXPECT_EQ(kind(R"("target_modules": 3)"), ErrorKind::format);
  EXPECT_EQ(kind(R"("target_modules": ["a"], "rank_pattern": ["a"])"), ErrorKind::format);
  EXPECT_EQ(kind(R"("target_modules": ["a"], "rank_pattern": {"a": 0})"), ErrorKind::format);
  EXPECT_EQ(kind(R"("target_modules": ["a"], "lora_bias": true)"), ErrorKind::unsupported);
  EXPECT_EQ(kind(R"("target_modules": ["a"], "trainable_token_indices": [1])"), ErrorKind::unsupported);
  EXPECT_THROW(LoraConfig::from_json("[]", "x"), LMError);
  EXPECT_THROW(LoraConfig::from_json(R"({"peft_type": "LORA"})", "x"), LMError);
}

TEST(LoraConfig, IsReadAsItIsWritten) {
  auto config = parse(R"("target_modules": "all-linear", "lora_dropout": 0.25, "use_rslora": true)");
  config.base_model = "somewhere";
  const auto again = LoraConfig::from_json(to_peft_json(config, {"a.q_proj", "b.q_proj"}, true).dump(), "x");
  EXPECT_EQ(again.targets, (std::vector<std::string>{"a.q_proj", "b.q_proj"}));
  EXPECT_EQ(again.rank, 8);
  EXPECT_EQ(again.alpha, 16);
  EXPECT_EQ(again.dropout, 0.25);
  EXPECT_TRUE(again.rslora);
  EXPECT_EQ(again.base_model, "somewhere");
}

}  // namespace
}  // namespace dstorch::engine
