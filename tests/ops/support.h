#pragma once

#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <cmath>
#include <string>

#include "device/torch_types.h"
#include "ops/cpu/bf16_product.h"
#include "ops/norm.h"
#include "ops/types.h"
#include "support/tolerances.h"

namespace dstorch::ops {

using test::Compared;

/// How far a fused op may be from its reference in float64; the weights' type does not matter.
constexpr double kTolerance = test::tolerance(Compared::op);
/// The same where numbers pass through pages of `type`.
inline double page_tolerance(at::ScalarType type) {
  return test::tolerance(Compared::op_through_pages, from_torch(type));
}

constexpr at::ScalarType kWeightTypes[] = {at::kFloat, at::kBFloat16, at::kHalf};

inline double distance(const at::Tensor& got, const at::Tensor& want) {
  const auto difference = (got.to(at::kDouble) - want.to(at::kDouble)).abs().max();
  return (difference / want.to(at::kDouble).abs().max()).item<double>();
}

inline LinearWeights random_linear(int64_t out, int64_t in, at::ScalarType type, bool bias) {
  return {(torch::randn({out, in}) / std::sqrt(static_cast<double>(in))).to(type),
          bias ? torch::randn({out}).to(type) : at::Tensor()};
}

inline NormWeights random_norm(NormKind kind, int64_t features, at::ScalarType type) {
  if (kind == NormKind::none) {
    return {};
  }
  return {kind, (1 + 0.3 * torch::randn({features})).to(type),
          kind == NormKind::layer ? torch::randn({features}).to(type) : at::Tensor(), 1e-5};
}

inline at::Tensor in_double(const at::Tensor& x) { return x.defined() ? x.to(at::kDouble) : x; }
inline LinearWeights in_double(const LinearWeights& w) { return {in_double(w.weight.data), in_double(w.bias)}; }
inline NormWeights in_double(const NormWeights& w) {
  return {w.kind, in_double(w.weight), in_double(w.bias), w.eps, w.offset};
}

/// x and its norm for a reference in float64 of a product with weights of a type. Where the processor multiplies
/// bfloat16 itself, that is the normed x rounded to bfloat16, and no norm.
struct Input {
  at::Tensor x;
  NormWeights norm;

  Input(const at::Tensor& given, const NormWeights& weights, at::ScalarType type)
      : x(given.to(at::kDouble)), norm(in_double(weights)) {
    if (type == at::kBFloat16 && cpu::bf16_products()) {
      x = ops::norm(given, weights).to(at::kBFloat16).to(at::kDouble);
      norm = {};
    }
  }
};

/// Checks the gradient of sum(result()²) by `parameter`, a leaf, against a difference quotient along a random
/// direction. `result` computes from it with gradients on.
template <typename Result>
void expect_gradient(at::Tensor parameter, const Result& result) {
  constexpr double kStep = 1e-2;
  const auto loss = [&] { return result().to(at::kDouble).square().sum(); };
  const auto direction = torch::randn(parameter.sizes()).to(parameter.scalar_type());
  const auto move = [&](double by) {
    const torch::NoGradGuard no_grad;
    parameter.add_(direction, by);
  };
  parameter.mutable_grad() = at::Tensor();
  loss().backward();
  ASSERT_TRUE(parameter.grad().defined());
  const auto slope = (parameter.grad() * direction).to(at::kDouble).sum().template item<double>();
  move(kStep);
  const auto above = loss().template item<double>();
  move(-2 * kStep);
  const auto below = loss().template item<double>();
  move(kStep);
  const auto difference = (above - below) / (2 * kStep);
  EXPECT_NEAR(slope, difference, test::tolerance(Compared::difference_quotient) * std::abs(difference));
}

constexpr NormKind kNormKinds[] = {NormKind::none, NormKind::rms, NormKind::layer};

}  // namespace dstorch::ops
