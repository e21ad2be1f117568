// One step of a decoder by the CPU's kernels alone: so many rows, each of a sequence of its own, through a 135M Llama
// (30 layers, hidden 576, ffn 1536, 9 heads over 3 KV heads, vocabulary 49152). What a server does for so many users at
// once. Compare figures of one run only.

#include <benchmark/benchmark.h>

#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <vector>

#include "ops/cpu/attention.h"
#include "ops/cpu/bf16_tiles.h"
#include "ops/cpu/half.h"
#include "ops/cpu/linear.h"
#include "ops/cpu/thread_pool.h"

namespace {

using namespace dstorch;            // NOLINT
using namespace dstorch::ops;       // NOLINT
using namespace dstorch::ops::cpu;  // NOLINT

constexpr int64_t kLayers = 30, kHidden = 576, kFfn = 1536, kHeads = 9, kKvHeads = 3, kDim = 64, kVocabulary = 49152;
constexpr int64_t kQkv = (kHeads + 2 * kKvHeads) * kDim;
constexpr int64_t kMostRows = 512, kMostPositions = 4096;

/// Numbers of a type, each in about +-0.03.
std::vector<unsigned char> numbers(DType dtype, int64_t count) {
  std::vector<unsigned char> bytes(static_cast<std::size_t>(count) * size_of(dtype));
  uint32_t state = 1;
  with_element(dtype, [&]<class T>(const T*) {
    for (int64_t i = 0; i < count; ++i) {
      state = state * 1664525u + 1013904223u;
      const auto element = from_float<T>((static_cast<float>(state >> 8) * 0x1p-24f - 0.5f) * 0.06f);
      std::memcpy(bytes.data() + static_cast<std::size_t>(i) * sizeof(T), &element, sizeof(T));
    }
  });
  return bytes;
}

class Model {
 public:
  explicit Model(DType dtype) : dtype_(dtype), gain_(numbers(dtype, kHidden)) {
    for (int64_t i = 0; i < kLayers; ++i) {
      layers_.push_back(
          {{matrix(kHeads * kDim, kHidden), matrix(kKvHeads * kDim, kHidden), matrix(kKvHeads * kDim, kHidden)},
           matrix(kHidden, kHidden),
           matrix(kFfn, kHidden),
           matrix(kFfn, kHidden),
           matrix(kHidden, kFfn)});
    }
    head_ = matrix(kVocabulary, kHidden);
    for (int64_t i = 0; i < kMostPositions * kDim / 2; ++i) {
      const auto angle =
          static_cast<double>(i / (kDim / 2)) * std::pow(10000.0, -static_cast<double>(i % (kDim / 2)) / 32);
      cos_.push_back(static_cast<float>(std::cos(angle)));
      sin_.push_back(static_cast<float>(std::sin(angle)));
    }
  }

  int64_t bytes() const { return bytes_; }

  /// Pages for so many sequences of so many positions.
  void reserve(int64_t sequences, int64_t positions) {
    const auto each = positions / kPagePositions + 1;
    const auto layer = 2 * kKvHeads * kPagePositions * kDim * static_cast<int64_t>(size_of(dtype_));
    for (auto i = static_cast<int64_t>(pages_.size()); i < sequences * each; ++i) {
      pages_.push_back(std::make_unique<unsigned char[]>(static_cast<std::size_t>(kLayers * layer)));
    }
    addresses_.clear();
    for (const auto& page : pages_) {
      addresses_.push_back(page.get());
    }
    table_.resize(static_cast<std::size_t>(sequences * each));
    for (std::size_t i = 0; i < table_.size(); ++i) {
      table_[i] = static_cast<int32_t>(i);
    }
  }

  /// `rows` rows, each at `position` of its own sequence or, `together`, one after the other from 0.
  void forward(int64_t rows, int64_t position, bool together) {
    std::vector<AttentionSpan> spans;
    const auto each = position / kPagePositions + 1;
    for (int64_t r = 0; r < (together ? 1 : rows); ++r) {
      spans.push_back({r, together ? rows : 1, together ? 0 : position, table_.data() + r * each});
    }
    const Norm norm{NormKind::rms, {gain_.data(), dtype_}, {}, 1e-5f};
    for (int64_t i = 0; i < kLayers; ++i) {
      const auto& layer = layers_[static_cast<std::size_t>(i)];
      linear({rows_of(x_, rows, kHidden), norm, layer.qkv, qkv_.data(), kQkv});
      attention({.qkv = qkv_.data(),
                 .qkv_stride = kQkv,
                 .spans = spans,
                 .heads = kHeads,
                 .kv_heads = kKvHeads,
                 .head_dim = kDim,
                 .scale = 0.125f,
                 .cos = cos_.data(),
                 .sin = sin_.data(),
                 .rotary_half = kDim / 2,
                 .pages = addresses_.data(),
                 .layer_offset = i * 2 * kKvHeads * kPagePositions * kDim * static_cast<int64_t>(size_of(dtype_)),
                 .cache_dtype = dtype_,
                 .out = mixed_.data(),
                 .out_stride = kHidden});
      linear({rows_of(mixed_, rows, kHidden), {}, {&layer.out, 1}, x_.data(), kHidden, x_.data()});
      linear_gate({rows_of(x_, rows, kHidden), norm, layer.gate, layer.up, Activation::silu, ffn_.data(), kFfn});
      linear({rows_of(ffn_, rows, kFfn), {}, {&layer.down, 1}, x_.data(), kHidden, x_.data()});
    }
    const auto asked = together ? 1 : rows;
    linear({rows_of(x_, asked, kHidden), norm, {&head_, 1}, logits_.data(), kVocabulary});
    benchmark::DoNotOptimize(logits_.data());
    std::fill_n(x_.begin(), rows * kHidden, 0.1f);
  }

 private:
  struct Layer {
    std::array<Matrix, 3> qkv;
    Matrix out, gate, up, down;
  };

  Matrix matrix(int64_t rows, int64_t features) {
    weights_.push_back(numbers(dtype_, rows * features));
    bytes_ += static_cast<int64_t>(weights_.back().size());
    return {weights_.back().data(), dtype_, rows, features, {}};
  }
  static Rows rows_of(const std::vector<float>& x, int64_t rows, int64_t features) {
    return {x.data(), rows, features, features};
  }

  DType dtype_;
  int64_t bytes_ = 0;
  std::vector<std::vector<unsigned char>> weights_;
  std::vector<unsigned char> gain_;
  std::vector<Layer> layers_;
  Matrix head_;
  std::vector<float> cos_, sin_;
  std::vector<std::unique_ptr<unsigned char[]>> pages_;
  std::vector<void*> addresses_;
  std::vector<int32_t> table_;
  std::vector<float> x_ = std::vector<float>(kMostRows * kHidden, 0.1f);
  std::vector<float> qkv_ = std::vector<float>(kMostRows * kQkv);
  std::vector<float> mixed_ = std::vector<float>(kMostRows * kHidden);
  std::vector<float> ffn_ = std::vector<float>(kMostRows * kFfn);
  std::vector<float> logits_ = std::vector<float>(16 * kVocabulary);
};

Model& model(DType dtype) {
  static std::map<DType, Model> models;
  return models.try_emplace(dtype, dtype).first->second;
}

ThreadPool& pool(int threads) {
  static std::map<int, std::unique_ptr<ThreadPool>> pools;
  auto& pool = pools[threads];
  if (pool == nullptr) {
    pool = std::make_unique<ThreadPool>(threads);
  }
  return *pool;
}

/// bytes: those of all weights, read once a step.
void run(benchmark::State& state, DType dtype, bool together) {
  const ThreadPool::Use use(pool(static_cast<int>(state.range(0))));
  const auto rows = state.range(1), position = together ? rows - 1 : state.range(2);
  auto& decoder = model(dtype);
  decoder.reserve(rows, position + 1);
  for (auto _ : state) {
    decoder.forward(rows, position, together);
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * rows);
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * decoder.bytes());
}

void Step(benchmark::State& state, DType dtype) { run(state, dtype, false); }
void Prompt(benchmark::State& state, DType dtype) { run(state, dtype, true); }

/// The same with the matrix unit off, as on a processor that has none.
void without_tiles(benchmark::State& state, DType dtype, bool together) {
  allow_bf16_tiles(false);
  run(state, dtype, together);
  allow_bf16_tiles(true);
}
void StepWithoutTiles(benchmark::State& state, DType dtype) { without_tiles(state, dtype, false); }
void PromptWithoutTiles(benchmark::State& state, DType dtype) { without_tiles(state, dtype, true); }

void by_rows(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"threads", "rows", "position"})->UseRealTime()->Unit(benchmark::kMillisecond)->MinTime(0.4);
  for (const int64_t rows : {1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16}) {
    bench->Args({2, rows, 64});
  }
  bench->Args({1, 1, 64});
  bench->Args({1, 8, 64});
  bench->Args({2, 8, 500});
}

BENCHMARK_CAPTURE(Step, bfloat16, DType::bfloat16)->Apply(by_rows);
BENCHMARK_CAPTURE(StepWithoutTiles, bfloat16, DType::bfloat16)->Apply(by_rows);
BENCHMARK_CAPTURE(Step, float16, DType::float16)->Apply(by_rows);
BENCHMARK_CAPTURE(Step, float32, DType::float32)->Apply(by_rows);

void by_length(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"threads", "rows"})->Args({2, 64})->Args({2, 512})->UseRealTime()->Unit(benchmark::kMillisecond);
}

BENCHMARK_CAPTURE(Prompt, bfloat16, DType::bfloat16)->Apply(by_length);
BENCHMARK_CAPTURE(PromptWithoutTiles, bfloat16, DType::bfloat16)->Apply(by_length);

}  // namespace
