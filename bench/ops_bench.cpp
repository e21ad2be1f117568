// The fused ops in the shapes of a 135M Llama (30 layers, hidden 576, ffn 1536, 9 heads over 3 KV heads, vocabulary
// 49152, bfloat16 weights), beside what the machine can do: plain reading of memory, bare matrix products.
// Compare figures of one run only.

#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <torch/torch.h>

#include <array>
#include <vector>

#include "ops/attention.h"
#include "ops/cpu/threads.h"
#include "ops/linear_residual.h"
#include "ops/norm_linear.h"
#include "ops/norm_linear_gate.h"

namespace {

using namespace dstorch;       // NOLINT
using namespace dstorch::ops;  // NOLINT

constexpr int64_t kLayers = 30, kHidden = 576, kFfn = 1536, kHeads = 9, kKvHeads = 3, kDim = 64, kVocabulary = 49152;
constexpr int64_t kCapacity = 1024;

struct Layer {
  NormWeights first, second;
  std::array<LinearWeights, 3> qkv;
  LinearWeights out, gate, up, down;
};

LinearWeights linear(int64_t out, int64_t in) { return {(torch::randn({out, in}) * 0.02).to(at::kBFloat16), {}}; }

struct Model {
  std::vector<Layer> layers;
  LinearWeights head = linear(kVocabulary, kHidden);
  NormWeights last{NormKind::rms, torch::ones({kHidden}).to(at::kBFloat16), {}, 1e-5};
  AttentionConfig attention;
  RopeTable rope;
  std::vector<PageGroup> pages = std::vector<PageGroup>(1);
  std::vector<int32_t> page_ids;
  int64_t bytes = 2 * kVocabulary * kHidden;

  Model() {
    for (int64_t i = 0; i < kLayers; ++i) {
      layers.push_back(
          {last,
           last,
           {linear(kHeads * kDim, kHidden), linear(kKvHeads * kDim, kHidden), linear(kKvHeads * kDim, kHidden)},
           linear(kHidden, kHidden),
           linear(kFfn, kHidden),
           linear(kFfn, kHidden),
           linear(kHidden, kFfn)});
      const auto& layer = layers.back();
      for (const auto* part :
           {&layer.qkv[0], &layer.qkv[1], &layer.qkv[2], &layer.out, &layer.gate, &layer.up, &layer.down}) {
        bytes += 2 * part->weight.data.numel();
      }
    }
    for (int64_t i = 0; i < kCapacity / kPagePositions; ++i) {
      auto page = torch::zeros({kLayers, 2, kKvHeads, kPagePositions, kDim}, at::kBFloat16);
      pages[0].addresses.push_back(page.data_ptr());
      pages[0].pages.push_back(std::move(page));
      page_ids.push_back(static_cast<int32_t>(i));
    }
    attention.num_heads = kHeads;
    attention.num_kv_heads = kKvHeads;
    attention.head_dim = kDim;
    attention.scale = 0.125;
    const auto angles = torch::arange(kCapacity).unsqueeze(1) * torch::pow(10000.0, -torch::arange(kDim / 2) / 32.0);
    rope = {angles.cos().to(at::kFloat), angles.sin().to(at::kFloat)};
  }

  /// Rows of one sequence.
  [[nodiscard]] Batch batch(int64_t rows, int64_t position) const {
    Batch batch;
    batch.groups = &pages;
    batch.spans = {{.first = 0, .count = rows, .position = position, .pages = {page_ids}}};
    return batch;
  }

  /// What a decoder does between the embedding and the sampler.
  at::Tensor forward(at::Tensor x, int64_t position) {
    const auto rows = batch(x.size(0), position);
    for (std::size_t i = 0; i < layers.size(); ++i) {
      auto& layer = layers[i];
      const auto qkv = norm_linear(x, layer.first, layer.qkv);
      const LayerSlot slot{0, static_cast<int64_t>(i)};
      x = linear_residual(ops::attention(qkv, attention, rope, rows, slot), layer.out, x);
      x = linear_residual(norm_linear_gate(x, layer.second, layer.gate, layer.up, Activation::silu), layer.down, x);
    }
    return norm_linear(x.narrow(0, x.size(0) - 1, 1), last, {&head, 1});
  }
};

Model& model() {
  static Model instance;
  return instance;
}

void set_threads(const benchmark::State& state) {
  set_num_threads(static_cast<int>(state.range(0)));
  at::set_num_threads(static_cast<int>(state.range(0)));
}

void report_bytes(benchmark::State& state, int64_t bytes) {
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * bytes);
}

void report_flops(benchmark::State& state, int64_t products) {
  state.counters["FLOP/s"] =
      benchmark::Counter(2.0 * static_cast<double>(products), benchmark::Counter::kIsIterationInvariantRate);
}

/// Eight streams a thread: faster than one.
void PlainRead(benchmark::State& state) {
  set_threads(state);
  const std::vector<int64_t> data(std::size_t{32} << 20, 1);  // 256 MiB
  for (auto _ : state) {
    cpu::parallel_for(num_threads(), 1, [&](int64_t index, int64_t /*end*/) {
      const auto range = cpu::share(static_cast<int64_t>(data.size()), 512, index, num_threads());
      constexpr int64_t kStreams = 8, kLine = 8;
      const auto length = (range.end - range.begin) / kStreams;
      std::array<int64_t, kLine> sums{};
      for (int64_t i = range.begin; i < range.begin + length; i += kLine) {
        for (int64_t stream = 0; stream < kStreams; ++stream) {
          for (int64_t j = 0; j < kLine; ++j) {
            sums[static_cast<std::size_t>(j)] += data[static_cast<std::size_t>(i + stream * length + j)];
          }
        }
      }
      benchmark::DoNotOptimize(sums);
    });
  }
  report_bytes(state, static_cast<int64_t>(data.size() * sizeof(int64_t)));
}

/// One row against 226 MiB of weights in one call.
void OneRowProduct(benchmark::State& state) {
  set_threads(state);
  const torch::NoGradGuard no_grad;
  const auto features = state.range(1);
  const LinearWeights weights{torch::zeros({(int64_t{113} << 20) / features, features}, at::kBFloat16), {}};
  const auto x = torch::randn({1, features});
  for (auto _ : state) {
    benchmark::DoNotOptimize(norm_linear(x, {}, {&weights, 1}));
  }
  report_bytes(state, 2 * weights.weight.data.numel());
}

/// A whole token: bytes are those of all weights.
void Token(benchmark::State& state) {
  set_threads(state);
  const torch::NoGradGuard no_grad;
  model();  // made once, outside the timed loop
  for (auto _ : state) {
    benchmark::DoNotOptimize(model().forward(torch::randn({1, kHidden}), state.range(1)));
  }
  report_bytes(state, model().bytes);
}

/// A prompt of 512 tokens in one piece.
void Prompt(benchmark::State& state) {
  set_threads(state);
  const torch::NoGradGuard no_grad;
  model();
  for (auto _ : state) {
    benchmark::DoNotOptimize(model().forward(torch::randn({512, kHidden}), 0));
  }
  report_flops(state, 512 * (model().bytes / 2 - kVocabulary * kHidden));
}

void AttentionOfPrompt(benchmark::State& state) {
  set_threads(state);
  const torch::NoGradGuard no_grad;
  const auto qkv = torch::randn({512, (kHeads + 2 * kKvHeads) * kDim});
  model();
  for (auto _ : state) {
    benchmark::DoNotOptimize(ops::attention(qkv, model().attention, model().rope, model().batch(512, 0), {}));
  }
  report_flops(state, 2 * kHeads * kDim * 512 * 513 / 2);
}

/// One position over a cache: bytes are those of the keys and values it reads.
void AttentionOfToken(benchmark::State& state) {
  set_threads(state);
  const torch::NoGradGuard no_grad;
  const auto qkv = torch::randn({1, (kHeads + 2 * kKvHeads) * kDim});
  model();
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        ops::attention(qkv, model().attention, model().rope, model().batch(1, state.range(1)), {}));
  }
  report_bytes(state, 2 * 2 * kKvHeads * kDim * (state.range(1) + 1));
}

void ManyRowsProduct(benchmark::State& state) {
  set_threads(state);
  const torch::NoGradGuard no_grad;
  const auto weights = linear(state.range(2), state.range(1));
  const auto x = torch::randn({512, state.range(1)});
  for (auto _ : state) {
    benchmark::DoNotOptimize(norm_linear(x, {}, {&weights, 1}));
  }
  report_flops(state, 512 * state.range(1) * state.range(2));
}

void BareProduct(benchmark::State& state, at::ScalarType type) {
  set_threads(state);
  const torch::NoGradGuard no_grad;
  const auto weight = torch::randn({state.range(2), state.range(1)}).to(type);
  const auto x = torch::randn({512, state.range(1)}).to(type);
  for (auto _ : state) {
    benchmark::DoNotOptimize(at::linear(x, weight));
  }
  report_flops(state, 512 * state.range(1) * state.range(2));
}

void shapes(benchmark::internal::Benchmark* bench) {
  for (const int64_t threads : {1, 2}) {
    for (const auto& [in, out] : {std::pair<int64_t, int64_t>{576, 3072}, {1536, 576}, {2048, 5632}, {5632, 2048}}) {
      bench->Args({threads, in, out});
    }
  }
  bench->ArgNames({"threads", "in", "out"})->UseRealTime()->Unit(benchmark::kMillisecond);
}

BENCHMARK(PlainRead)->ArgName("threads")->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(OneRowProduct)
    ->ArgNames({"threads", "in"})
    ->ArgsProduct({{1, 2}, {576, 1536, 2048}})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(Token)
    ->ArgNames({"threads", "position"})
    ->ArgsProduct({{1, 2}, {0, 576}})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(Prompt)->ArgName("threads")->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(AttentionOfPrompt)->ArgName("threads")->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(AttentionOfToken)
    ->ArgNames({"threads", "position"})
    ->ArgsProduct({{1, 2}, {0, 1000}})
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(ManyRowsProduct)->Apply(shapes);
BENCHMARK_CAPTURE(BareProduct, float32, at::kFloat)->Apply(shapes);
BENCHMARK_CAPTURE(BareProduct, bfloat16, at::kBFloat16)->Apply(shapes);

}  // namespace
