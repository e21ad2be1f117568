#include "train/initialize.h"

#include <gtest/gtest.h>
#include <torch/nn/module.h>

#include <cmath>

namespace dstorch::training {
namespace {

class Initialize : public testing::Test {
 protected:
  /// The parameter that a model of a parameter of this name is given. [200, 300] unless a norm or a bias.
  static at::Tensor drawn(const std::string& name, const Initialization& how, bool vector = false) {
    auto root = std::make_shared<torch::nn::Module>();
    auto layer = std::make_shared<torch::nn::Module>();
    const auto dot = name.find('.');
    root->register_module(name.substr(0, dot), layer);
    layer->register_parameter(name.substr(dot + 1), vector ? at::full({300}, 7.0F) : at::full({200, 300}, 7.0F));
    initialize_parameters(*root, how);
    return layer->parameters().front().detach();
  }
};

TEST_F(Initialize, MatricesAreNormal) {
  const Initialization how{.range = 0.05, .num_layers = 8, .seed = 1};
  const auto values = drawn("up_proj.weight", how);
  EXPECT_NEAR(values.mean().item<double>(), 0, 0.001);
  EXPECT_NEAR(values.std().item<double>(), 0.05, 0.001);
  const auto within = (values.abs() < 0.05).to(at::kDouble).mean().item<double>();
  EXPECT_NEAR(within, std::erf(1 / std::sqrt(2.0)), 0.01) << "the share within one deviation";
  EXPECT_GT(values.abs().max().item<double>(), 0.05 * 3.5) << "tails";
}

TEST_F(Initialize, WhatWritesIntoTheResidualStreamIsSmallerByTheDepth) {
  const Initialization how{.range = 0.05, .num_layers = 8, .residual_layers = {"o_proj", "down_proj"}, .seed = 1};
  for (const char* name : {"o_proj.weight", "down_proj.weight"}) {
    EXPECT_NEAR(drawn(name, how).std().item<double>(), 0.05 / 4, 0.0005) << name;
  }
  EXPECT_NEAR(drawn("up_proj.weight", how).std().item<double>(), 0.05, 0.001);
}

TEST_F(Initialize, NormsAreOneUnlessToldAndBiasesZero) {
  EXPECT_EQ(drawn("norm.weight", {}, true).sub(1).abs().max().item<double>(), 0);
  EXPECT_EQ(drawn("norm.weight", {.norm_weight = 0}, true).abs().max().item<double>(), 0);
  EXPECT_EQ(drawn("q_proj.bias", {}, true).abs().max().item<double>(), 0);
}

TEST_F(Initialize, ValuesDependOnTheSeedAndTheNameAlone) {
  const auto first = drawn("q_proj.weight", {.seed = 1});
  EXPECT_TRUE(at::equal(drawn("q_proj.weight", {.seed = 1}), first));
  for (const auto& other : {drawn("q_proj.weight", {.seed = 2}), drawn("k_proj.weight", {.seed = 1})}) {
    const auto together = (first * other).mean().item<double>() / (0.02 * 0.02);
    EXPECT_NEAR(together, 0, 0.02) << "no correlation";
  }
}

}  // namespace
}  // namespace dstorch::training
