#include <cmath>

#include "kernels/support.h"
#include "ops/cpu/linear.h"

namespace dstorch::ops::cpu {
namespace {

double definition(Activation activation, double x) {
  switch (activation) {
    case Activation::silu:
      return x / (1 + std::exp(-x));
    case Activation::gelu:
      return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
    case Activation::gelu_tanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Activation::relu:
      return std::max(x, 0.0);
  }
  return NAN;
}

constexpr Activation kActivations[] = {Activation::silu, Activation::gelu, Activation::gelu_tanh, Activation::relu};

class LinearGateKernel : public EveryTarget {};
DSTORCH_EVERY_TARGET(LinearGateKernel);

/// One feature that is 1 and gates that are the arguments make the kernel a plain activation.
std::vector<float> activated(Activation activation, const std::vector<float>& x) {
  const float one = 1;
  std::vector<float> y(x.size());
  const auto count = static_cast<int64_t>(x.size());
  linear_gate({.x = {&one, 1, 1, 1},
               .norm = {},
               .gate = {x.data(), DType::float32, count, 1, {}},
               .up = {},
               .activation = activation,
               .y = y.data(),
               .y_stride = count});
  return y;
}

TEST_P(LinearGateKernel, ActivationsAreAccurateEverywhere) {
  std::vector<float> x;
  for (float v = -12; v <= 12; v += 1.0f / 512) x.push_back(v);
  for (float v = 1e-30f; v < 1e30f; v *= 1.37f) x.insert(x.end(), {v, -v});
  for (const auto activation : kActivations) {
    const auto y = activated(activation, x);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const auto want = definition(activation, x[i]);
      // A few ulp of the result; where it is a small part of x, of x's share that a rounded argument moves.
      ASSERT_NEAR(y[i], want, 1e-6 * std::abs(want) + 3e-7 * std::min(1.0f, std::abs(x[i])))
          << static_cast<int>(activation) << " at " << x[i];
    }
  }
}

TEST_P(LinearGateKernel, ActivationsOfTheExtremes) {
  for (const auto activation : kActivations) {
    const auto y = activated(activation, {NAN, INFINITY, 0.0f, -1e30f});
    EXPECT_TRUE(std::isnan(y[0])) << static_cast<int>(activation);
    EXPECT_EQ(y[1], INFINITY) << static_cast<int>(activation);
    EXPECT_EQ(y[2], 0.0f);
    EXPECT_NEAR(y[3], 0.0f, 1e-7) << static_cast<int>(activation);
  }
}

TEST_P(LinearGateKernel, GatedAndPlainWithBiases) {
  for (const auto dtype : kStoredTypes) {
    for (const int64_t features : {3, 40}) {
      for (const int64_t ffn : {1, 7, 33, 70}) {
        const Stored gate(dtype, random_floats(ffn * features, 1)), up(dtype, random_floats(ffn * features, 2));
        const Stored gate_bias(dtype, random_floats(ffn, 3)), up_bias(dtype, random_floats(ffn, 4));
        for (const int64_t rows : {1, 2, 8}) {
          const auto x = random_floats(rows * features, 5, 0.3f);
          for (const bool gated : {true, false}) {
            std::vector<float> y(static_cast<std::size_t>(rows * ffn), NAN);
            linear_gate({.x = {x.data(), rows, features, features},
                         .norm = {},
                         .gate = {gate.data(), dtype, ffn, features, gate_bias.vector()},
                         .up = gated ? Matrix{up.data(), dtype, ffn, features, up_bias.vector()} : Matrix{},
                         .activation = Activation::gelu,
                         .y = y.data(),
                         .y_stride = ffn});
            for (int64_t i = 0; i < rows * ffn; ++i) {
              const auto r = i / ffn, n = i % ffn;
              double g = gate_bias[n], u = up_bias[n];
              for (int64_t k = 0; k < features; ++k) {
                g += static_cast<double>(met(x[r * features + k], dtype)) * gate[n * features + k];
                u += static_cast<double>(met(x[r * features + k], dtype)) * up[n * features + k];
              }
              const auto want = definition(Activation::gelu, g) * (gated ? u : 1.0);
              ASSERT_NEAR(y[i], want, test::tolerance(Compared::gate_kernel, dtype))
                  << to_string(dtype) << " " << features << " " << ffn << " row " << r;
            }
          }
        }
      }
    }
  }
}

TEST_P(LinearGateKernel, GateAndUpOfDifferentTypes) {
  constexpr int64_t kRows = 9, kFeatures = 40, kFfn = 21;
  const Stored gate(DType::bfloat16, random_floats(kFfn * kFeatures, 1)),
      up(DType::float16, random_floats(kFfn * kFeatures, 2));
  const auto x = random_floats(kRows * kFeatures, 5, 0.3f);
  std::vector<float> y(kRows * kFfn);
  linear_gate({.x = {x.data(), kRows, kFeatures, kFeatures},
               .norm = {},
               .gate = {gate.data(), gate.dtype(), kFfn, kFeatures, {}},
               .up = {up.data(), up.dtype(), kFfn, kFeatures, {}},
               .activation = Activation::silu,
               .y = y.data(),
               .y_stride = kFfn});
  for (int64_t i = 0; i < kRows * kFfn; ++i) {
    double g = 0, u = 0;
    for (int64_t k = 0; k < kFeatures; ++k) {
      const double value = x[i / kFfn * kFeatures + k];
      g += value * gate[i % kFfn * kFeatures + k];
      u += value * up[i % kFfn * kFeatures + k];
    }
    ASSERT_NEAR(y[i], definition(Activation::silu, g) * u, test::tolerance(Compared::gate_kernel)) << i;
  }
}

TEST_P(LinearGateKernel, ARowIsTheSameToTheBitInAnyCompanyOnAnyThreads) {
  constexpr int64_t kRows = 40, kFeatures = 72, kFfn = 149;
  const Stored gate(DType::bfloat16, random_floats(kFfn * kFeatures, 1));
  const Stored up(DType::bfloat16, random_floats(kFfn * kFeatures, 2));
  const Stored gain(DType::bfloat16, random_floats(kFeatures, 3));
  const auto x = random_floats(kRows * kFeatures, 5);
  for (const auto activation : kActivations) {
    const auto run = [&](int64_t first, int64_t rows, int threads) {
      use_threads(threads);
      std::vector<float> y(static_cast<std::size_t>(rows * kFfn), NAN);
      linear_gate({.x = {x.data() + first * kFeatures, rows, kFeatures, kFeatures},
                   .norm = {NormKind::rms, gain.vector(), {}, 1e-6f},
                   .gate = {gate.data(), DType::bfloat16, kFfn, kFeatures, {}},
                   .up = {up.data(), DType::bfloat16, kFfn, kFeatures, {}},
                   .activation = activation,
                   .y = y.data(),
                   .y_stride = kFfn});
      return y;
    };
    const auto all = run(0, kRows, 1);
    for (const int threads : {1, 2, 3}) {
      for (int64_t rows = 1; rows <= kRows; rows += rows < 8 ? 1 : 11) {
        const auto some = run(kRows - rows, rows, threads);
        ASSERT_TRUE(same_bits(some.data(), all.data() + (kRows - rows) * kFfn, rows * kFfn)) << rows << " " << threads;
      }
    }
  }
}

}  // namespace
}  // namespace dstorch::ops::cpu
