// The webgl device beside the CPU in one run: a 1024^3 float32 product against OpenBLAS on one thread. The counter
// `times_cpu` is what must stay under 8 on llvmpipe. Run with OPENBLAS_NUM_THREADS=1. Then tokens of the bundled model,
// with what crosses between host and device for each: its id there and its logits back.
#include "device/webgl/webgl.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include <chrono>

#include "device/torch_types.h"
#include "dstorch/torch_model.h"

namespace {

using Clock = std::chrono::steady_clock;

double seconds_of(const at::Tensor& a, const at::Tensor& b) {
  const auto start = Clock::now();
  auto product = at::mm(a, b);
  dstorch::webgl::synchronize();
  benchmark::DoNotOptimize(product);
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// The two take turns, so that whatever else the machine does slows both.
void product(benchmark::State& state) {
  at::set_num_threads(1);
  const auto rows = state.range(0);
  const int64_t size = 1024;
  const auto a = at::randn({rows, size});
  const auto b = at::randn({size, size});
  const auto device = dstorch::to_torch(dstorch::Device::parse("webgl"));
  const auto there_a = a.to(device);
  const auto there_b = b.to(device);
  seconds_of(there_a, there_b);  // compiles
  double cpu = 0;
  double webgl = 0;
  for (auto _ : state) {
    cpu += seconds_of(a, b);
    const double time = seconds_of(there_a, there_b);
    webgl += time;
    state.SetIterationTime(time);
  }
  const double work = 2.0 * static_cast<double>(rows * size * size) * static_cast<double>(state.iterations());
  state.counters["times_cpu"] = webgl / cpu;
  state.counters["webgl_gflops"] = work / webgl / 1e9;
  state.counters["cpu_gflops"] = work / cpu / 1e9;
  state.SetLabel(dstorch::webgl::describe().renderer);
}

void token(benchmark::State& state) {
  dstorch::TorchModelConfig config;
  config.model_path = dstorch::bundled_model_path();
  config.device = dstorch::Device::parse("webgl");
  dstorch::TorchModel model(config);
  model.init();
  constexpr int64_t kTokens = 32;
  const std::vector<int64_t> prompt{1};
  const dstorch::GenerationOptions options{.max_tokens = kTokens, .temperature = 0, .ignore_eos = true};
  model.complete(prompt, options);  // compiles
  dstorch::webgl::reset_transfers();
  for (auto _ : state) {
    benchmark::DoNotOptimize(model.complete(prompt, options));
  }
  const auto crossed = dstorch::webgl::transfers();
  const auto tokens = static_cast<double>(state.iterations() * kTokens);
  const auto each = [&](int64_t count) { return static_cast<double>(count) / tokens; };
  state.counters["tokens_per_second"] = benchmark::Counter(tokens, benchmark::Counter::kIsRate);
  state.counters["reads_per_token"] = each(crossed.reads);
  state.counters["read_bytes_per_token"] = each(crossed.read_bytes);
  state.counters["writes_per_token"] = each(crossed.writes);
  state.counters["written_bytes_per_token"] = each(crossed.written_bytes);
}

BENCHMARK(token)->Name("webgl/token")->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(product)->Name("webgl/product")->Arg(1)->Arg(16)->Arg(1024)->UseManualTime()->Unit(benchmark::kMillisecond);

}  // namespace
