// Encoding and decoding throughput. DSTORCH_BENCH_TOKENIZER and DSTORCH_BENCH_TEXT name a tokenizer and a text, else a
// small tokenizer from the tests and the repository's own sources are taken. bench/tokenizer_compare.py runs it beside
// Hugging Face's tokenizer.
#include "dstorch/tokenizer.h"

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::shared_ptr<const dstorch::Tokenizer> tokenizer() {
  if (const char* path = std::getenv("DSTORCH_BENCH_TOKENIZER")) {
    return dstorch::Tokenizer::load(path);
  }
  const auto cases = nlohmann::json::parse(read(fs::path(DSTORCH_SOURCE_DIR) / "tests/text/data/llama3.case.json"));
  return dstorch::Tokenizer::from_json(cases["tokenizer"].dump());
}

std::string text() {
  if (const char* path = std::getenv("DSTORCH_BENCH_TEXT")) {
    return read(path);
  }
  std::string all;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(DSTORCH_SOURCE_DIR) / "src")) {
    if (entry.path().extension() == ".cpp") {
      all += read(entry.path());
    }
  }
  return all;
}

void report(benchmark::State& state, std::size_t bytes) {
  state.SetBytesProcessed(static_cast<int64_t>(bytes) * state.iterations());
}

void encode(benchmark::State& state) {
  const auto encoder = tokenizer();
  const std::string input = text();
  for (auto _ : state) {
    benchmark::DoNotOptimize(encoder->encode(input));
  }
  report(state, input.size());
}
BENCHMARK(encode)->Unit(benchmark::kMillisecond);

// Without anything remembered from before: the first call of a fresh tokenizer.
void encode_first(benchmark::State& state) {
  const std::string input = text();
  for (auto _ : state) {
    state.PauseTiming();
    const auto encoder = tokenizer();
    state.ResumeTiming();
    benchmark::DoNotOptimize(encoder->encode(input));
  }
  report(state, input.size());
}
BENCHMARK(encode_first)->Unit(benchmark::kMillisecond)->Iterations(3);

void encode_one_word(benchmark::State& state) {
  const auto encoder = tokenizer();
  const std::string input(1'000'000, 'a');
  for (auto _ : state) {
    benchmark::DoNotOptimize(encoder->encode(input));
  }
  report(state, input.size());
}
BENCHMARK(encode_one_word)->Unit(benchmark::kMillisecond);

void decode(benchmark::State& state) {
  const auto decoder = tokenizer();
  const auto ids = decoder->encode(text());
  std::size_t bytes = 0;
  for (auto _ : state) {
    bytes = decoder->decode(ids).size();
    benchmark::DoNotOptimize(bytes);
  }
  report(state, bytes);
}
BENCHMARK(decode)->Unit(benchmark::kMillisecond);

void load(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(tokenizer());
  }
}
BENCHMARK(load)->Unit(benchmark::kMillisecond);

}  // namespace
