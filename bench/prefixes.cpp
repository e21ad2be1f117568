// How soon the first token of a prompt comes that was asked before, beside one that is new. DSTORCH_MODEL names the
// model's directory; the bundled model otherwise. New and repeated prompts alternate, so that whatever else the machine
// does is in both; `ratio` is that of their medians.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "dstorch/dstorch.h"
#include "median.h"

namespace {

using namespace dstorch;  // NOLINT

void repeated_prompt(benchmark::State& state) {
  const auto* directory = std::getenv("DSTORCH_MODEL");
  TorchModel model({.model_path = directory != nullptr ? std::filesystem::path(directory) : bundled_model_path()});
  model.init();
  const auto vocab = static_cast<uint64_t>(model.info().vocab_size);
  std::vector<int64_t> prompt(static_cast<std::size_t>(state.range(0)));
  uint64_t random = 1;
  std::vector<double> fresh;
  std::vector<double> again;
  const auto first_token = [&] {
    const auto result = model.complete(prompt, {.max_tokens = 1, .temperature = 0, .ignore_eos = true});
    (2 * result.usage.cached_tokens > state.range(0) ? again : fresh).push_back(result.timings.prompt_seconds);
  };
  for (auto _ : state) {
    for (auto& token : prompt) {
      random = random * 6364136223846793005ULL + 1442695040888963407ULL;
      token = static_cast<int64_t>((random >> 33U) % vocab);
    }
    first_token();
    first_token();
  }
  if (fresh.empty() || again.empty()) {
    state.SkipWithError("nothing was found again");
    return;
  }
  state.counters["new_ms"] = 1000 * median(fresh);
  state.counters["repeated_ms"] = 1000 * median(again);
  state.counters["ratio"] = median(again) / median(fresh);
}
BENCHMARK(repeated_prompt)->Arg(100)->Arg(1000)->Iterations(15)->Unit(benchmark::kMillisecond);

}  // namespace
