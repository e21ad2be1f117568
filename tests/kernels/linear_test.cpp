#include "ops/cpu/linear.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cmath>

#include "kernels/support.h"

namespace dstorch::ops::cpu {
namespace {

struct Layer {
  Stored weight, bias;
  Matrix matrix;

  Layer(DType dtype, int64_t rows, int64_t features, bool with_bias, unsigned seed, int64_t gap = 0)
      : weight(dtype, random_floats(rows * (features + gap), seed)), bias(dtype, random_floats(rows, seed + 1)) {
    matrix = {weight.data(), dtype, rows, features + gap, with_bias ? bias.vector() : Vector{}};
  }
};

class LinearKernel : public EveryTarget {
 protected:
  /// Output `row` of the layer by its definition.
  static double want(const Layer& layer, const float* x, int64_t features, int64_t row) {
    double sum = layer.matrix.bias.data != nullptr ? layer.bias[row] : 0.0;
    for (int64_t k = 0; k < features; ++k) {
      sum += static_cast<double>(met(x[k], layer.matrix.dtype)) * layer.weight[row * layer.matrix.stride + k];
    }
    return sum;
  }
};
DSTORCH_EVERY_TARGET(LinearKernel);

/// Sums of `features` products of standard normal numbers, in float32.
double tolerance(int64_t features) {
  return test::tolerance(Compared::linear_kernel) * (2.0 + std::sqrt(static_cast<double>(features)) * 4);
}

TEST_P(LinearKernel, AnySizeTypeAndAlignment) {
  for (const auto dtype : kStoredTypes) {
    for (const int64_t features : {1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 130}) {
      for (const int64_t outputs : {1, 2, 3, 4, 5, 8, 9, 31, 33, 130}) {
        const Layer layer(dtype, outputs, features, outputs % 2 == 1, 7);
        for (const int64_t rows : {1, 2, 3, 4, 9, 17}) {
          const auto x = random_floats(rows * features + 1, 3);
          std::vector<float> y(static_cast<std::size_t>(rows * outputs) + 1, NAN);
          linear({.x = {x.data() + 1, rows, features, features},
                  .norm = {},
                  .matrices = {&layer.matrix, 1},
                  .y = y.data() + 1,
                  .y_stride = outputs});
          for (int64_t r = 0; r < rows; ++r) {
            for (int64_t n = 0; n < outputs; ++n) {
              ASSERT_NEAR(y[1 + r * outputs + n], want(layer, x.data() + 1 + r * features, features, n),
                          tolerance(features))
                  << to_string(dtype) << " rows " << rows << " features " << features << " outputs " << outputs
                  << " row " << r << " output " << n;
            }
          }
        }
      }
    }
  }
}

/// The rule that prompts, batches and single tokens rely on.
TEST_P(LinearKernel, ARowIsTheSameToTheBitInAnyCompanyOnAnyThreads) {
  constexpr int64_t kRows = 70;
  const auto residual = random_floats(kRows * 500, 11);
  for (const auto dtype : kStoredTypes) {
    for (const int64_t features : {33, 576}) {
      const Layer a(dtype, 61, features, false, 1);
      const Layer b(dtype, 35, features, true, 2);
      const Matrix matrices[] = {a.matrix, b.matrix};
      const int64_t outputs = 96;
      const auto x = random_floats(kRows * features, 5);
      const Stored gain(dtype, random_floats(features, 8));
      for (const auto kind : {NormKind::none, NormKind::rms, NormKind::layer}) {
        for (const bool add : {false, true}) {
          const auto run = [&](int64_t first, int64_t rows, int threads) {
            use_threads(threads);
            std::vector<float> y(static_cast<std::size_t>(rows * outputs), NAN);
            linear({.x = {x.data() + first * features, rows, features, features},
                    .norm = {kind, gain.vector(), {}, 1e-5f},
                    .matrices = matrices,
                    .y = y.data(),
                    .y_stride = outputs,
                    .residual = add ? residual.data() + first * outputs : nullptr});
            return y;
          };
          const auto all = run(0, kRows, 1);
          for (const int64_t rows : {1, 2, 3, 4, 5, 6, 7, 13, 16, 17, 33, 64, 70}) {
            for (const int threads : {1, 2, 3}) {
              const int64_t first = threads == 2 ? 0 : kRows - rows;
              const auto some = run(first, rows, threads);
              ASSERT_TRUE(same_bits(some.data(), all.data() + first * outputs, rows * outputs))
                  << to_string(dtype) << " features " << features << " rows " << first << "+" << rows << " on "
                  << threads;
            }
          }
        }
      }
    }
  }
}

TEST_P(LinearKernel, ManyRowsOfManyFeaturesGoInChunksAndParts) {
  constexpr int64_t kRows = 200, kFeatures = 5003, kOutputs = 37;
  const Layer layer(DType::bfloat16, kOutputs, kFeatures, true, 1);
  const auto x = random_floats(kRows * kFeatures, 2);
  std::vector<float> y(kRows * kOutputs, NAN), one(kOutputs);
  linear({{x.data(), kRows, kFeatures, kFeatures}, {}, {&layer.matrix, 1}, y.data(), kOutputs});
  for (int64_t r = 0; r < kRows; ++r) {
    linear({{x.data() + r * kFeatures, 1, kFeatures, kFeatures}, {}, {&layer.matrix, 1}, one.data(), kOutputs});
    ASSERT_TRUE(same_bits(one.data(), y.data() + r * kOutputs, kOutputs)) << r;
  }
  EXPECT_NEAR(y[3 * kOutputs + 5], want(layer, x.data() + 3 * kFeatures, kFeatures, 5), tolerance(kFeatures));
}

TEST_P(LinearKernel, StridesOfWeightsInputAndOutput) {
  constexpr int64_t kRows = 15, kFeatures = 19, kOutputs = 21;
  for (const auto dtype : kStoredTypes) {
    const Layer layer(dtype, kOutputs, kFeatures, true, 1, /*gap=*/6);
    const auto x = random_floats(kRows * 30, 2);
    for (const int64_t rows : {int64_t{1}, int64_t{5}, kRows}) {
      std::vector<float> y(kRows * 40, 123.0f);
      linear({{x.data(), rows, 30, kFeatures}, {}, {&layer.matrix, 1}, y.data(), 40});
      for (int64_t r = 0; r < kRows; ++r) {
        for (int64_t n = 0; n < 40; ++n) {
          const auto expected = r < rows && n < kOutputs ? want(layer, x.data() + r * 30, kFeatures, n) : 123.0;
          EXPECT_NEAR(y[r * 40 + n], expected, tolerance(kFeatures)) << r << " " << n;
        }
      }
    }
  }
}

/// Memory that ends where a page begins that may not be touched. What reads beyond dies, instructions that sanitizers
/// do not know included.
class FencedMemory {
 public:
  explicit FencedMemory(std::size_t bytes) : page_(static_cast<std::size_t>(::sysconf(_SC_PAGESIZE))) {
    usable_ = (bytes + page_ - 1) / page_ * page_;
    start_ = static_cast<unsigned char*>(
        ::mmap(nullptr, usable_ + page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ::mprotect(start_ + usable_, page_, PROT_NONE);
  }
  FencedMemory(const FencedMemory&) = delete;
  FencedMemory& operator=(const FencedMemory&) = delete;
  ~FencedMemory() { ::munmap(start_, usable_ + page_); }
  unsigned char* last(std::size_t bytes) { return start_ + usable_ - bytes; }

 private:
  std::size_t page_;
  std::size_t usable_ = 0;
  unsigned char* start_ = nullptr;
};

TEST_P(LinearKernel, ReadsNothingBeyondTheMatrix) {
  constexpr int64_t kMostFeatures = 97, kMostOutputs = 70, kMostRows = 18;
  FencedMemory fenced(static_cast<std::size_t>(kMostFeatures * kMostOutputs * int64_t{sizeof(float)}));
  const auto x = random_floats(kMostRows * kMostFeatures, 1);
  std::vector<float> y(static_cast<std::size_t>(kMostRows * kMostOutputs));
  for (const auto dtype : kStoredTypes) {
    for (const int64_t features : {1, 15, 16, 31, 32, 33, 64, 97}) {
      for (const int64_t outputs : {1, 15, 16, 17, 32, 33, 64, 70}) {
        const auto bytes = static_cast<std::size_t>(features * outputs) * size_of(dtype);
        std::memset(fenced.last(bytes), 0, bytes);
        const Matrix matrix{fenced.last(bytes), dtype, outputs, features, {}};
        for (const int64_t rows : {int64_t{1}, int64_t{3}, kMostRows}) {
          std::fill(y.begin(), y.end(), NAN);
          linear({{x.data(), rows, features, features}, {}, {&matrix, 1}, y.data(), outputs});
          ASSERT_EQ(y[static_cast<std::size_t>(rows * outputs) - 1], 0) << to_string(dtype) << features << outputs;
        }
      }
    }
  }
}

TEST_P(LinearKernel, ResidualInPlace) {
  constexpr int64_t kRows = 9, kFeatures = 40, kOutputs = 50;
  const Layer layer(DType::bfloat16, kOutputs, kFeatures, true, 1);
  const auto x = random_floats(kRows * kFeatures, 2);
  auto y = random_floats(kRows * kOutputs, 3);
  const auto before = y;
  linear({{x.data(), kRows, kFeatures, kFeatures}, {}, {&layer.matrix, 1}, y.data(), kOutputs, y.data()});
  for (int64_t i = 0; i < kRows * kOutputs; ++i) {
    EXPECT_NEAR(y[i], before[i] + want(layer, x.data() + i / kOutputs * kFeatures, kFeatures, i % kOutputs),
                tolerance(kFeatures));
  }
}

TEST_P(LinearKernel, NotANumberSpreadsToItsRowOnly) {
  constexpr int64_t kRows = 7, kFeatures = 37, kOutputs = 12;
  for (const auto dtype : kStoredTypes) {
    const Layer layer(dtype, kOutputs, kFeatures, false, 1);
    auto x = random_floats(kRows * kFeatures, 2);
    x[4 * kFeatures + 36] = NAN;
    std::vector<float> y(kRows * kOutputs);
    linear({{x.data(), kRows, kFeatures, kFeatures}, {}, {&layer.matrix, 1}, y.data(), kOutputs});
    for (int64_t i = 0; i < kRows * kOutputs; ++i) {
      EXPECT_EQ(std::isnan(y[i]), i / kOutputs == 4) << i;
    }
  }
}

/// A matrix of another type keeps them all from being multiplied in bfloat16.
TEST_P(LinearKernel, MatricesOfSeveralTypesMeetTheInputUnrounded) {
  constexpr int64_t kRows = 9, kFeatures = 50, kOutputs = 6;
  const Layer narrow(DType::bfloat16, kOutputs, kFeatures, true, 1), wide(DType::float32, kOutputs, kFeatures, true, 2);
  const Matrix matrices[] = {narrow.matrix, wide.matrix};
  const auto x = random_floats(kRows * kFeatures, 2);
  std::vector<float> y(kRows * 2 * kOutputs);
  linear({{x.data(), kRows, kFeatures, kFeatures}, {}, matrices, y.data(), 2 * kOutputs});
  for (int64_t r = 0; r < kRows; ++r) {
    for (int64_t n = 0; n < kOutputs; ++n) {
      double sum = narrow.bias[n];
      for (int64_t k = 0; k < kFeatures; ++k) {
        sum += static_cast<double>(x[r * kFeatures + k]) * narrow.weight[n * kFeatures + k];
      }
      EXPECT_NEAR(y[r * 2 * kOutputs + n], sum, tolerance(kFeatures));
    }
  }
}

/// The norm is taken of the unrounded row; what it gives is what meets the weights.
TEST_P(LinearKernel, NormsBeforeItRounds) {
  constexpr int64_t kRows = 14, kFeatures = 75, kOutputs = 22;
  for (const auto dtype : kStoredTypes) {
    const Layer layer(dtype, kOutputs, kFeatures, true, 1);
    const Stored gain(dtype, random_floats(kFeatures, 8));
    const auto x = random_floats(kRows * kFeatures, 2, 30.0f);
    const Norm rms{NormKind::rms, gain.vector(), {}, 1e-5f};
    std::vector<float> normed(x.size()), y(kRows * kOutputs);
    norm({x.data(), kRows, kFeatures, kFeatures}, rms, normed.data(), kFeatures);
    for (const int64_t rows : {int64_t{1}, kRows}) {
      linear({{x.data(), rows, kFeatures, kFeatures}, rms, {&layer.matrix, 1}, y.data(), kOutputs});
      for (int64_t i = 0; i < rows * kOutputs; ++i) {
        ASSERT_NEAR(y[i], want(layer, normed.data() + i / kOutputs * kFeatures, kFeatures, i % kOutputs),
                    tolerance(kFeatures))
            << to_string(dtype) << " " << i;
      }
    }
  }
}

class NormKernel : public EveryTarget {};
DSTORCH_EVERY_TARGET(NormKernel);

TEST_P(NormKernel, AgreesWithItsDefinition) {
  for (const auto dtype : kStoredTypes) {
    for (int64_t features = 1; features <= 70; ++features) {
      const Stored gain(dtype, random_floats(features, 1)), shift(dtype, random_floats(features, 2));
      const auto x = random_floats(3 * features, 4, 5.0f);
      for (const auto kind : {NormKind::rms, NormKind::layer}) {
        const bool layer = kind == NormKind::layer;
        std::vector<float> y(x.size());
        norm({x.data(), 3, features, features}, {kind, gain.vector(), layer ? shift.vector() : Vector{}, 1e-3f},
             y.data(), features);
        for (int64_t r = 0; r < 3; ++r) {
          const auto* row = x.data() + r * features;
          double mean = 0, squares = 0;
          for (int64_t i = 0; layer && i < features; ++i) mean += row[i] / static_cast<double>(features);
          for (int64_t i = 0; i < features; ++i) squares += (row[i] - mean) * (row[i] - mean);
          const auto scale = 1 / std::sqrt(squares / static_cast<double>(features) + 1e-3);
          for (int64_t i = 0; i < features; ++i) {
            const auto want = (row[i] - mean) * scale * gain[i] + (layer ? shift[i] : 0.0f);
            ASSERT_NEAR(y[r * features + i], want, test::tolerance(Compared::norm_kernel) * (1 + std::abs(want)))
                << features << " " << i;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace dstorch::ops::cpu
