#include "device/memory_account.h"
#include "ops/cpu/linear.h"
#include "ops/cpu_views.h"
#include "ops/linear_residual.h"
#include "ops/norm.h"
#include "ops/norm_linear.h"
#include "ops/norm_linear_gate.h"
#include "ops/support.h"

namespace dstorch::ops {
namespace {

/// Every op's reference computes norms in float32 whatever x is, hence one float32 rounding in it, too.
TEST(Norm, AgreesWithReference) {
  torch::manual_seed(1);
  const torch::NoGradGuard no_grad;
  for (const auto type : kWeightTypes) {
    for (const auto kind : kNormKinds) {
      const auto x = torch::randn({2, 3, 45}) * 3;
      const auto weights = random_norm(kind, 45, type);
      EXPECT_LT(distance(norm(x, weights), norm_reference(x, in_double(weights))), kTolerance);
      const auto strided = x.transpose(0, 1);
      EXPECT_LT(distance(norm(strided, weights), norm_reference(strided, in_double(weights))), kTolerance);
    }
  }
}

/// What Gemma stores of a norm is how far its weights are from 1: that is not rounded to the stored type once 1 is
/// added.
TEST(Norm, AddsItsOffsetInFloat32) {
  torch::manual_seed(7);
  const torch::NoGradGuard no_grad;
  const auto x = torch::randn({4, 45}).to(at::kFloat);
  for (const auto type : kWeightTypes) {
    for (const auto kind : {NormKind::rms, NormKind::layer}) {
      auto stored = random_norm(kind, 45, type);
      stored.weight = (0.01 * torch::randn({45})).to(type);
      stored.offset = 1;
      auto whole = in_double(stored);
      whole.weight = whole.weight + 1;
      whole.offset = 0;
      const auto want = norm_reference(x.to(at::kDouble), whole);
      EXPECT_LT(distance(norm(x, stored), want), kTolerance);
      EXPECT_LT(distance(norm_reference(x, stored), want), kTolerance);
      const auto linear = random_linear(20, 45, at::kFloat, false);
      EXPECT_LT(distance(norm_linear(x, stored, {&linear, 1}),
                         norm_linear_reference(x.to(at::kDouble), whole, std::array{in_double(linear)})),
                kTolerance);
    }
  }
}

TEST(Norm, KeepsItsInputAndWhatItScaledForTheGradient) {
  const auto account = std::make_shared<MemoryAccount>();
  const MemoryScope scope(account, MemoryKind::activations);
  const auto x = torch::randn({50, 64}).requires_grad_(true);
  const auto weight = torch::ones({64}).requires_grad_(true);
  const auto y = norm_reference(x, {NormKind::rms, weight, {}, 1e-5});
  const auto small = static_cast<int64_t>(weight.nbytes()) + 50 * 4;  // and one number a row
  EXPECT_EQ(account->use({})[MemoryKind::activations].bytes, 3 * static_cast<int64_t>(x.nbytes()) + small);
}

TEST(NormLinear, AgreesWithReference) {
  torch::manual_seed(2);
  const torch::NoGradGuard no_grad;
  for (const auto type : kWeightTypes) {
    for (const auto kind : kNormKinds) {
      for (const bool bias : {false, true}) {
        const LinearWeights linears[] = {random_linear(48, 64, type, bias), random_linear(17, 64, type, false),
                                         random_linear(17, 64, at::kFloat, bias)};
        const LinearWeights exact[] = {in_double(linears[0]), in_double(linears[1]), in_double(linears[2])};
        const auto weights = random_norm(kind, 64, type);
        for (const int64_t rows : {1, 2, 40}) {
          const auto x = torch::randn({1, rows, 64});
          const auto y = norm_linear(x, weights, linears);
          ASSERT_EQ(y.sizes(), (at::IntArrayRef{1, rows, 82}));
          EXPECT_LT(distance(y, norm_linear_reference(x.to(at::kDouble), in_double(weights), exact)), kTolerance);
          const Input input(x, weights, type);
          EXPECT_LT(distance(norm_linear(x, weights, std::span(linears).first(2)),
                             norm_linear_reference(input.x, input.norm, std::span(exact).first(2))),
                    kTolerance);
        }
      }
    }
  }
}

TEST(NormLinear, TakesTheFastPathWithoutGradient) {
  const torch::NoGradGuard no_grad;
  const auto x = torch::randn({5, 576});
  const auto linear = random_linear(300, 576, at::kBFloat16, false);
  auto y = torch::empty({5, 300});
  const auto matrix = view_of(linear);
  cpu::linear({rows_of(x), {}, {&matrix, 1}, y.data_ptr<float>(), 300});
  EXPECT_TRUE(norm_linear(x, {}, {&linear, 1}).equal(y));
  // What the guard is for: the composed form adds up in another order.
  EXPECT_FALSE(norm_linear_reference(x, {}, {&linear, 1}).equal(y));
}

TEST(NormLinear, WeightsThatAreViews) {
  const torch::NoGradGuard no_grad;
  const auto whole = torch::randn({20, 100}).to(at::kBFloat16);
  const LinearWeights rows{whole.narrow(1, 10, 64), {}};        // rows apart
  const LinearWeights columns{whole.narrow(1, 0, 20).t(), {}};  // columns contiguous: not for the kernel
  const auto x = torch::randn({3, 64});
  const auto rows_exact = in_double(rows), columns_exact = in_double(columns);
  EXPECT_LT(distance(norm_linear(x, {}, {&rows, 1}), linear_reference(Input(x, {}, at::kBFloat16).x, rows_exact)),
            kTolerance);
  const auto narrow = x.narrow(1, 0, 20);
  EXPECT_LT(distance(norm_linear(narrow, {}, {&columns, 1}), linear_reference(narrow.to(at::kDouble), columns_exact)),
            kTolerance);
}

TEST(NormLinear, MisshapenWeightsAreRefused) {
  const torch::NoGradGuard no_grad;
  const auto linear = random_linear(8, 16, at::kFloat, false);
  EXPECT_ANY_THROW(norm_linear(torch::randn({2, 15}), {}, {&linear, 1}));
}

TEST(NormLinear, NoRows) {
  const torch::NoGradGuard no_grad;
  const auto linear = random_linear(8, 16, at::kFloat, false);
  EXPECT_EQ(norm_linear(torch::empty({1, 0, 16}), {}, {&linear, 1}).sizes(), (at::IntArrayRef{1, 0, 8}));
}

TEST(NormLinear, ItsGradientsAreSlopes) {
  torch::manual_seed(11);
  auto linear = random_linear(8, 16, at::kFloat, true);
  auto norm = random_norm(NormKind::rms, 16, at::kFloat);
  const auto x = torch::randn({3, 16});
  for (const auto& parameter : {x, linear.weight.data, linear.bias, norm.weight}) {
    parameter.requires_grad_();
  }
  for (const auto& parameter : {x, linear.weight.data, linear.bias, norm.weight}) {
    expect_gradient(parameter, [&] { return norm_linear(x, norm, {&linear, 1}); });
  }
}

TEST(LinearResidual, AgreesWithReferenceAndWritesInPlace) {
  torch::manual_seed(3);
  const torch::NoGradGuard no_grad;
  for (const auto type : kWeightTypes) {
    for (const bool bias : {false, true}) {
      for (const int64_t rows : {1, 2, 40}) {
        const auto linear = random_linear(50, 96, type, bias);
        const auto x = torch::randn({1, rows, 96}), residual = torch::randn({1, rows, 50});
        const auto want = linear_residual_reference(Input(x, {}, type).x, in_double(linear), in_double(residual));
        const auto y = linear_residual(x, linear, residual);
        EXPECT_LT(distance(y, want), kTolerance);
        EXPECT_EQ(y.data_ptr(), residual.data_ptr());
      }
    }
  }
}

TEST(LinearResidual, ItsGradientsAreSlopesAndTheResidualStays) {
  torch::manual_seed(12);
  auto linear = random_linear(8, 16, at::kFloat, true);
  const auto x = torch::randn({3, 16});
  const auto residual = torch::randn({3, 8});
  for (const auto& parameter : {x, linear.weight.data, linear.bias}) {
    parameter.requires_grad_();
  }
  const auto before = residual.clone();
  for (const auto& parameter : {x, linear.weight.data, linear.bias}) {
    expect_gradient(parameter, [&] { return linear_residual(x, linear, residual); });
  }
  EXPECT_TRUE(residual.equal(before));
  residual.requires_grad_();
  expect_gradient(residual, [&] { return linear_residual(x, linear, residual); });
}

TEST(NormLinearGate, AgreesWithReference) {
  torch::manual_seed(4);
  const torch::NoGradGuard no_grad;
  for (const auto type : kWeightTypes) {
    for (const auto kind : kNormKinds) {
      for (const auto activation : {Activation::silu, Activation::gelu, Activation::gelu_tanh, Activation::relu}) {
        const auto weights = random_norm(kind, 64, type);
        const auto gate = random_linear(90, 64, type, true), up = random_linear(90, 64, type, false);
        for (const int64_t rows : {1, 3, 33}) {
          const auto x = torch::randn({rows, 64});
          const Input input(x, weights, type);
          for (const auto& second : {up, LinearWeights{}}) {
            const auto want =
                norm_linear_gate_reference(input.x, input.norm, in_double(gate), in_double(second), activation);
            EXPECT_LT(distance(norm_linear_gate(x, weights, gate, second, activation), want), kTolerance)
                << static_cast<int>(activation) << " rows " << rows;
          }
        }
      }
    }
  }
}

TEST(NormLinearGate, ItsGradientsAreSlopes) {
  torch::manual_seed(13);
  const auto gate = random_linear(8, 16, at::kFloat, true), up = random_linear(8, 16, at::kFloat, false);
  const auto norm = random_norm(NormKind::layer, 16, at::kFloat);
  const auto x = torch::randn({3, 16});
  for (const auto& parameter : {x, gate.weight.data, gate.bias, up.weight.data, norm.bias}) {
    parameter.requires_grad_();
  }
  for (const auto activation : {Activation::silu, Activation::gelu, Activation::gelu_tanh}) {
    for (const auto& parameter : {x, gate.weight.data, gate.bias, up.weight.data, norm.bias}) {
      expect_gradient(parameter, [&] { return norm_linear_gate(x, norm, gate, up, activation); });
    }
  }
}

TEST(Ops, TheReferenceServesOtherTypesOfX) {
  const torch::NoGradGuard no_grad;
  const auto linear = random_linear(8, 16, at::kBFloat16, true);
  const auto x = torch::randn({3, 16}).to(at::kBFloat16);
  EXPECT_EQ(norm_linear(x, random_norm(NormKind::rms, 16, at::kBFloat16), {&linear, 1}).scalar_type(), at::kBFloat16);
}

}  // namespace
}  // namespace dstorch::ops
