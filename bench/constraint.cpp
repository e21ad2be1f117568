// Constraints over a real vocabulary: compiling, binding, and the masks along random answers. DSTORCH_BENCH_TOKENIZER
// names a tokenizer.json (of 128 k tokens, say); without it a vocabulary of random tokens stands in.
#include "dstorch/constraint.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "core/rng.h"
#include "text/constraint/matcher.h"
#include "text/constraint/schema_compiler.h"

namespace {

using dstorch::Constraint;
using dstorch::Rng;
using namespace dstorch::text::constraint;

const std::vector<std::string>& schemas() {
  static const std::vector<std::string> kSchemas = {
      R"({"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0, "maximum": 130}, "tags": {"type": "array", "items": {"type": "string", "maxLength": 20}}}, "required": ["name", "age"]})",
      R"({"type": "object", "properties": {"id": {"type": "string", "format": "uuid"}, "at": {"type": "string", "format": "date-time"}, "mail": {"type": "string", "format": "email"}, "score": {"type": "number", "minimum": 0, "maximum": 1}}, "required": ["id", "at", "mail", "score"]})",
      R"({"type": "object", "additionalProperties": {"type": "string", "maxLength": 30}})",
      R"({"type": "array", "items": {"type": "object", "properties": {"kind": {"enum": ["a", "b"]}, "text": {"type": "string", "minLength": 5, "maxLength": 200}}, "required": ["kind", "text"]}})",
      "{}"};
  return kSchemas;
}

const std::shared_ptr<const Vocabulary>& vocabulary() {
  static const auto kVocabulary = [] {
    if (const char* const path = std::getenv("DSTORCH_BENCH_TOKENIZER")) {
      return std::make_shared<const Vocabulary>(bytes_of_tokens(*dstorch::Tokenizer::load(path)));
    }
    std::vector<std::string> tokens;
    for (int byte = 0; byte < 256; ++byte) {
      tokens.emplace_back(1, static_cast<char>(byte));
    }
    Rng rng(1);
    while (tokens.size() < 128'000) {
      std::string token = rng.below(3) == 0 ? " " : "";
      for (auto length = 2 + rng.below(8); length > 0; --length) {
        token += rng.below(12) == 0 ? static_cast<char>(' ' + rng.below(32)) : static_cast<char>('a' + rng.below(26));
      }
      tokens.push_back(token);
    }
    return std::make_shared<const Vocabulary>(std::move(tokens));
  }();
  return kVocabulary;
}

void BM_Compile(benchmark::State& state) {
  const auto& schema = schemas()[static_cast<std::size_t>(state.range(0))];
  for (auto _ : state) {
    const auto network = std::make_shared<const Network>(build_network(SchemaCompiler(schema, true).compile()));
    benchmark::DoNotOptimize(std::make_shared<Masks>(network, vocabulary()));
  }
}
BENCHMARK(BM_Compile)->DenseRange(0, 4)->Unit(benchmark::kMillisecond);

/// Microseconds that this thread has computed: others on the machine do not count.
double computed_micros() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) * 1e-3;
}

/// Random answers, nothing kept from others: the times of all masks, their median and their 99.9th percentile.
void BM_Masks(benchmark::State& state) {
  const auto constraint = Constraint::json_schema(schemas()[static_cast<std::size_t>(state.range(0))]);
  std::vector<double> micros;
  Rng rng(3);
  for (auto _ : state) {
    const auto masks = std::make_shared<Masks>(constraint.network(), vocabulary());
    for (int answers = 0; answers < 10; ++answers) {
      Matcher matcher(masks, 400);
      while (!matcher.ended() && matcher.budget() > 0) {
        const auto begin = computed_micros();
        const auto bits = matcher.allowed();
        micros.push_back(computed_micros() - begin);
        std::vector<int64_t> ids;
        for (std::size_t i = 0; i < bits.size(); ++i) {
          for (auto word = bits[i]; word != 0; word &= word - 1) {
            ids.push_back(static_cast<int64_t>(i * 64 + static_cast<std::size_t>(__builtin_ctzll(word))));
          }
        }
        if (ids.empty()) {
          break;
        }
        matcher.accept(ids[rng.below(ids.size())]);
      }
    }
  }
  std::sort(micros.begin(), micros.end());
  state.counters["masks"] = static_cast<double>(micros.size());
  state.counters["median_us"] = micros[micros.size() / 2];
  state.counters["p999_us"] = micros[micros.size() * 999 / 1000];
  state.counters["most_us"] = micros.back();
}
BENCHMARK(BM_Masks)->DenseRange(0, 4)->Iterations(3)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
