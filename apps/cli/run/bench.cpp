#include <fmt/core.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>
#include <numeric>
#include <thread>

#include "bench_streams.h"
#include "commands.h"
#include "dstorch/error.h"
#include "load_model.h"
#include "output.h"
#include "terminal.h"

namespace dstorch::cli {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Sums a part of the buffer in kStreams streams, a cache line of each in turn.
template <std::size_t kStreams>
uint64_t sum_words(const uint64_t* words, std::size_t count) {
  constexpr std::size_t kLine = 8;
  const std::size_t length = count / kStreams / kLine * kLine;
  uint64_t sums[kLine] = {};
  for (std::size_t i = 0; i < length; i += kLine) {
    for (std::size_t stream = 0; stream < kStreams; ++stream) {
      for (std::size_t j = 0; j < kLine; ++j) {
        sums[j] += words[stream * length + i + j];
      }
    }
  }
  uint64_t total = 0;
  for (const auto sum : sums) {
    total += sum;
  }
  return total;
}

/// Bytes per second this machine reads from memory with `threads` threads: the best of a few passes over 512 MB, far
/// more than any cache holds. Which number of streams keeps the memory busy differs from processor to processor.
double memory_read_speed(std::size_t threads) {
  // No power of two, or all streams would lie in the same sets of the caches and the same banks of the memory.
  constexpr std::size_t kWords = (std::size_t{64} << 20) - 4096 * 37;
  constexpr int kPasses = 5;
  constexpr std::array kReaders{sum_words<1>, sum_words<2>, sum_words<8>};
  std::vector<uint64_t> buffer(kWords, 1);
  double best = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    for (const auto reader : kReaders) {
      std::vector<std::thread> workers;
      std::vector<uint64_t> sums(threads);
      const auto start = Clock::now();
      for (std::size_t t = 0; t < threads; ++t) {
        workers.emplace_back([&, t] {
          const auto first = kWords * t / threads;
          sums[t] = reader(buffer.data() + first, kWords * (t + 1) / threads - first);
        });
      }
      for (auto& worker : workers) {
        worker.join();
      }
      const double seconds = seconds_since(start);
      if (std::accumulate(sums.begin(), sums.end(), uint64_t{0}) > 0) {  // keeps the sums from being optimised away
        best = std::max(best, static_cast<double>(kWords * sizeof(uint64_t)) / seconds);
      }
    }
  }
  return best;
}

struct Report {
  double load_seconds = 0;
  double first_token_seconds = 0;
  double prompt_speed = 0;      // tokens per second
  double generation_speed = 0;  // tokens per second
  double memory_speed = 0;      // bytes per second
  double read_speed = 0;        // bytes of weights per second while generating
  double peak_bytes = 0;
  StreamsReport streams;
};

Report measure(const BenchArguments& arguments, ModelInfo& info, StatusLine& line) {
  Report report;
  const auto start = Clock::now();
  auto cold = arguments.model;
  cold.no_prefix_cache = true;  // the same prompt again is to be read again
  const auto model = load_model(cold);
  report.load_seconds = seconds_since(start);
  info = model->info();
  if (info.vocab_size == 0) {
    throw LMError(ErrorKind::unsupported,
                  fmt::format("bench needs a language model with a known vocabulary; this one is {}", info.model_type));
  }
  std::vector<int64_t> prompt(static_cast<std::size_t>(arguments.prompt_tokens));
  for (std::size_t i = 0; i < prompt.size(); ++i) {
    prompt[i] = static_cast<int64_t>(i * 7919 + 13) % info.vocab_size;
  }
  GenerationOptions generation;
  generation.temperature = 0;
  generation.ignore_eos = true;
  generation.speculation = Speculation::off;  // a model of random weights repeats itself as no text does
  generation.cancel = interrupt_token();
  for (int64_t i = 0; i < arguments.repetitions; ++i) {
    const auto of = fmt::format("run {} of {}", i + 1, arguments.repetitions);
    line.show(fmt::format("{}: reading a prompt of {} tokens", of, arguments.prompt_tokens));
    generation.max_tokens = 1;
    const auto first = model->complete(prompt, generation);
    if (i == 0) {
      report.first_token_seconds = seconds_since(start);
    }
    line.show(fmt::format("{}: making {} tokens", of, arguments.max_tokens));
    generation.max_tokens = arguments.max_tokens + 1;
    const auto result = model->complete(std::span(prompt).first(1), generation);
    if (first.finish_reason == FinishReason::cancelled || result.finish_reason == FinishReason::cancelled) {
      throw Interrupted();
    }
    report.prompt_speed =
        std::max(report.prompt_speed, static_cast<double>(arguments.prompt_tokens) / first.timings.prompt_seconds);
    // The first token belongs to the prompt.
    report.generation_speed = std::max(report.generation_speed,
                                       static_cast<double>(arguments.max_tokens) / result.timings.generation_seconds);
  }
  if (arguments.streams == 1) {
    const auto prompt_tokens = static_cast<double>(arguments.prompt_tokens);
    const auto tokens = static_cast<double>(arguments.max_tokens);
    report.streams.worst_first_token = prompt_tokens / report.prompt_speed;
    report.streams.total_speed =
        (prompt_tokens + tokens) / (report.streams.worst_first_token + tokens / report.generation_speed);
  } else {
    line.show(fmt::format("{} at once", arguments.streams));
    report.streams = measure_streams(*model, arguments);
    report.generation_speed = report.streams.generation_speed;
    report.first_token_seconds = report.streams.median_first_token;
  }
  // All streams' next tokens come of one reading of the weights.
  report.read_speed =
      report.generation_speed / static_cast<double>(arguments.streams) * static_cast<double>(info.bytes_per_token);
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  report.peak_bytes = static_cast<double>(usage.ru_maxrss) * 1024;
  return report;
}

void show(const Report& report, const ModelInfo& info, const BenchArguments& arguments) {
  constexpr double kGiga = 1e9;
  constexpr double kMega = 1e6;
  const double percent = 100 * report.read_speed / report.memory_speed;
  if (arguments.json) {
    const nlohmann::ordered_json json{{"model_type", info.model_type},
                                      {"parameters", info.parameters},
                                      {"weight_bytes", info.weight_bytes},
                                      {"load_seconds", report.load_seconds},
                                      {"first_token_seconds", report.first_token_seconds},
                                      {"prompt_tokens_per_second", report.prompt_speed},
                                      {"generation_tokens_per_second", report.generation_speed},
                                      {"generation_bytes_per_second", report.read_speed},
                                      {"memory_bytes_per_second", report.memory_speed},
                                      {"percent_of_memory_speed", percent},
                                      {"peak_bytes", report.peak_bytes},
                                      {"streams", arguments.streams},
                                      {"total_tokens_per_second", report.streams.total_speed},
                                      {"worst_first_token_seconds", report.streams.worst_first_token}};
    print_json(json);
    return;
  }
  print("model              {}, {:.1f} M parameters, {}, {:.0f} MB\n", info.model_type,
        static_cast<double>(info.parameters) / kMega, to_string(info.dtype),
        static_cast<double>(info.weight_bytes) / kMega);
  print("load               {:.3f} s\n", report.load_seconds);
  if (arguments.streams == 1) {
    print("start to 1st token {:.3f} s, after a prompt of {} tokens\n", report.first_token_seconds,
          arguments.prompt_tokens);
  } else {
    print("1st token          {:.3f} s after the call, at worst {:.3f} s; {} calls at once, each of {} tokens\n",
          report.first_token_seconds, report.streams.worst_first_token, arguments.streams, arguments.prompt_tokens);
  }
  print("prompt             {:.1f} tokens/s\n", report.prompt_speed);
  print("generation         {:.1f} tokens/s, reading {:.2f} GB/s\n", report.generation_speed,
        report.read_speed / kGiga);
  print("in all             {:.1f} tokens/s, prompts included\n", report.streams.total_speed);
  print("memory read speed  {:.2f} GB/s, of which generation reaches {:.0f} %\n", report.memory_speed / kGiga, percent);
  print("peak memory        {:.0f} MB\n", report.peak_bytes / kMega);
}

}  // namespace

void run(const BenchArguments& arguments) {
  ModelInfo info;
  StatusLine line;
  auto report = measure(arguments, info, line);
  line.show("measuring how fast the memory can be read");
  // After the model, so that the buffer is not part of the peak.
  const auto cores = std::max(1U, std::thread::hardware_concurrency());
  report.memory_speed =
      memory_read_speed(arguments.model.threads > 0 ? static_cast<std::size_t>(arguments.model.threads) : cores);
  line.clear();
  show(report, info, arguments);
}

}  // namespace dstorch::cli
