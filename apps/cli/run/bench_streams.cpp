#include "bench_streams.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "commands.h"

namespace dstorch::cli {
namespace {

using Clock = std::chrono::steady_clock;

/// Nothing of which another stream's prompt begins with.
std::vector<int64_t> prompt_of(int64_t stream, int64_t run, const BenchArguments& arguments, int64_t vocab) {
  std::vector<int64_t> prompt(static_cast<std::size_t>(arguments.prompt_tokens));
  auto state = static_cast<uint64_t>(run * arguments.streams + stream + 1) * 0x9E3779B97F4A7C15ULL;
  for (auto& token : prompt) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    token = static_cast<int64_t>((state >> 33U) % static_cast<uint64_t>(vocab));
  }
  return prompt;
}

StreamsReport measure_once(TorchModel& model, const BenchArguments& arguments, int64_t run) {
  GenerationOptions options;
  options.temperature = 0;
  options.ignore_eos = true;
  options.speculation = Speculation::off;
  options.max_tokens = arguments.max_tokens;
  options.cancel = interrupt_token();
  const auto vocab = model.info().vocab_size;
  std::vector<PendingGeneration> pending;
  std::vector<double> begun;  // seconds from the first call on
  const auto start = Clock::now();
  for (int64_t stream = 0; stream < arguments.streams; ++stream) {
    const auto prompt = prompt_of(stream, run, arguments, vocab);
    begun.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    pending.push_back(model.submit(prompt, options));
  }
  std::vector<double> firsts;
  std::vector<double> times;  // of all tokens
  double last_first = 0;
  for (std::size_t i = 0; i < pending.size(); ++i) {
    const auto result = pending[i].wait();
    if (result.finish_reason == FinishReason::cancelled) {
      throw Interrupted();
    }
    firsts.push_back(result.timings.token_seconds.front());
    last_first = std::max(last_first, begun[i] + firsts.back());
    for (const auto seconds : result.timings.token_seconds) {
      times.push_back(begun[i] + seconds);
    }
  }
  const double end = *std::max_element(times.begin(), times.end());
  const auto after = std::count_if(times.begin(), times.end(), [&](double time) { return time > last_first; });
  std::sort(firsts.begin(), firsts.end());
  StreamsReport report;
  report.generation_speed = after > 0 ? static_cast<double>(after) / (end - last_first) : 0;
  report.total_speed =
      (static_cast<double>(arguments.streams * arguments.prompt_tokens) + static_cast<double>(times.size())) / end;
  report.median_first_token = (firsts[(firsts.size() - 1) / 2] + firsts[firsts.size() / 2]) / 2;
  report.worst_first_token = firsts.back();
  return report;
}

}  // namespace

StreamsReport measure_streams(TorchModel& model, const BenchArguments& arguments) {
  StreamsReport best;
  for (int64_t run = 0; run < arguments.repetitions; ++run) {
    const auto report = measure_once(model, arguments, run);
    if (report.total_speed > best.total_speed) {
      best = report;
    }
  }
  return best;
}

}  // namespace dstorch::cli
