// Each operation in a dry run against itself on the CPU: the same blocks, at the same time.
#include "device/dry_run.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <functional>

#include "ops/backend.h"

namespace dstorch::ops {
namespace {

constexpr int64_t kRows = 40;
constexpr int64_t kHidden = 32;
constexpr int64_t kInner = 80;

/// Tensors of one device: the CPU's, or none.
struct Maker {
  at::Device device;
  at::ScalarType weights = at::kFloat;
  bool trains = false;

  [[nodiscard]] at::Tensor make(at::IntArrayRef shape, at::ScalarType type) const {
    return at::ones(shape, at::TensorOptions(type).device(device)).requires_grad_(trains);
  }
  [[nodiscard]] at::Tensor x(int64_t rows = kRows, int64_t columns = kHidden) const {
    return make({rows, columns}, weights == at::kDouble ? at::kDouble : at::kFloat);
  }
  [[nodiscard]] LinearWeights linear(int64_t out, int64_t in) const {
    return {make({out, in}, weights), make({out}, weights)};
  }
  [[nodiscard]] NormWeights norm(NormKind kind) const {
    return {kind, make({kHidden}, weights), kind == NormKind::layer ? make({kHidden}, weights) : at::Tensor()};
  }
};

using Operation = std::function<at::Tensor(const Backend&, const Maker&)>;

/// Most bytes at once, of what is made before the operation and by it.
int64_t peak_of(const Operation& operation, const Maker& maker) {
  const auto account = std::make_shared<MemoryAccount>();
  const auto run = maker.device.is_meta() ? std::make_unique<DryRun>(account, at::kCPU) : nullptr;
  const MemoryScope scope(account, MemoryKind::activations);
  const at::AutoGradMode gradients(maker.trains);
  const auto y = operation(backend_of(maker.device), maker);
  if (maker.trains) {
    y.backward(at::empty_like(y));
  }
  return account->use({}).total.peak;
}

void expect_same(const char* name, const Operation& operation, double within_training) {
  for (const auto weights : {at::kFloat, at::kBFloat16, at::kDouble}) {
    const Maker cpu{at::kCPU, weights};
    EXPECT_EQ(peak_of(operation, {at::kMeta, weights}), peak_of(operation, cpu)) << name << " " << toString(weights);
  }
  const auto real = static_cast<double>(peak_of(operation, {at::kCPU, at::kFloat, true}));
  EXPECT_NEAR(static_cast<double>(peak_of(operation, {at::kMeta, at::kFloat, true})), real, within_training * real)
      << name << " trains";
}

TEST(DryOperations, TakeWhatTheyTakeOnTheCpu) {
  for (const auto kind : {NormKind::rms, NormKind::layer}) {
    expect_same(
        "norm", [&](const Backend& ops, const Maker& m) { return ops.norm(m.x(), m.norm(kind)); }, 0.05);
    expect_same(
        "norm_linear",
        [&](const Backend& ops, const Maker& m) {
          const std::array linears{m.linear(kInner, kHidden), m.linear(kHidden, kHidden)};
          return ops.norm_linear(m.x(), m.norm(kind), linears);
        },
        0.05);
    expect_same(
        "norm_linear_gate",
        [&](const Backend& ops, const Maker& m) {
          return ops.norm_linear_gate(m.x(), m.norm(kind), m.linear(kInner, kHidden), m.linear(kInner, kHidden),
                                      Activation::silu);
        },
        0.05);
  }
  expect_same(
      "linear_residual",
      [](const Backend& ops, const Maker& m) {
        return ops.linear_residual(m.x(kRows, kInner), m.linear(kHidden, kInner), m.x());
      },
      0.05);
  expect_same(
      "gate", [](const Backend& ops, const Maker& m) { return ops.gate(m.x(), m.x(), Activation::gelu); }, 0.05);
}

TEST(DryOperations, AttentionTakesWhatItTakesOnTheCpu) {
  const auto attention = [](int64_t window) {
    return [window](const Backend& ops, const Maker& m) {
      AttentionConfig config;
      config.num_heads = 4;
      config.num_kv_heads = 2;
      config.head_dim = 16;
      config.scale = 0.25;
      config.sliding_window = window;
      Batch batch;
      batch.tokens = at::empty({kRows}, at::TensorOptions(at::kLong).device(m.device));
      batch.spans = {{.first = 0, .count = kRows}};
      return ops.attention(m.x(kRows, 8 * 16), config, {}, batch, {});
    };
  };
  expect_same("attention", attention(0), 0.05);
  expect_same("attention with a window", attention(3), 0.05);
}

TEST(DryOperations, RowsOfATable) {
  const auto rows = [](const Backend&, const Maker& m) {
    return Weight(m.make({50, kHidden}, m.weights)).rows_at(at::zeros({kRows}, at::dtype(at::kLong).device(m.device)));
  };
  expect_same("rows", rows, 0.05);
}

}  // namespace
}  // namespace dstorch::ops
