// Constraints over a real vocabulary: compiling, binding, and the masks along random answers, in processor time.
// DSTORCH_BENCH_TOKENIZER names a tokenizer.json (of 128 k tokens, say); without it a vocabulary of random tokens
// stands in.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "core/rng.h"
#include "dstorch/tokenizer.h"
#include "text/constraint/gbnf_parser.h"
#include "text/constraint/matcher.h"
#include "text/constraint/regex_parser.h"
#include "text/constraint/schema_compiler.h"

namespace {

using dstorch::Rng;
using namespace dstorch::text::constraint;

/// What answers may be held to, of each kind: a schema, a regular expression, or a grammar.
struct Kind {
  const char* name;
  char front;  ///< 'j', 'r' or 'g'
  const char* text;
};

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> kKinds = {
      {"object", 'j',
       R"({"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0, "maximum": 130}, "tags": {"type": "array", "items": {"type": "string", "maxLength": 20}}}, "required": ["name", "age"]})"},
      {"object of formats", 'j',
       R"({"type": "object", "properties": {"id": {"type": "string", "format": "uuid"}, "at": {"type": "string", "format": "date-time"}, "mail": {"type": "string", "format": "email"}, "score": {"type": "number", "minimum": 0, "maximum": 1}}, "required": ["id", "at", "mail", "score"]})"},
      {"free keys", 'j', R"({"type": "object", "additionalProperties": {"type": "string", "maxLength": 30}})"},
      {"array of objects", 'j',
       R"({"type": "array", "items": {"type": "object", "properties": {"kind": {"enum": ["a", "b"]}, "text": {"type": "string", "minLength": 5, "maxLength": 200}}, "required": ["kind", "text"]}})"},
      {"any JSON", 'j', "{}"},
      {"email", 'j', R"({"type": "array", "items": {"type": "string", "format": "email"}})"},
      {"hostname", 'j', R"({"type": "array", "items": {"type": "string", "format": "hostname"}})"},
      {"uri", 'j', R"({"type": "array", "items": {"type": "string", "format": "uri"}})"},
      {"pattern foo.*bar", 'j', R"({"type": "array", "items": {"type": "string", "pattern": "foo.*bar"}})"},
      {"pattern of names", 'j',
       R"({"type": "array", "items": {"type": "string", "pattern": "^[A-Z][a-z]+( [A-Z][a-z]+)*$"}})"},
      {"recursive", 'j',
       R"({"$defs": {"node": {"type": "object", "properties": {"value": {"type": "integer"}, "children": {"type": "array", "items": {"$ref": "#/$defs/node"}}}, "required": ["value"]}}, "$ref": "#/$defs/node"})"},
      {"regex .*", 'r', ".*"},
      {"regex of words", 'r', R"((\w+ ?)+\.)"},
      {"regex of counts", 'r', R"(([A-Z][a-z]*[ ,.]){1,50})"},
      {"regex .{0,2000}a.{0,2000}", 'r', ".{0,2000}a.{0,2000}"},
      {"regex (.{0,2000}a){3}", 'r', "(.{0,2000}a){3}"},
      {"grammar of words", 'g',
       "root ::= w (\" \" w)* \".\"\nw ::= [a-zA-Z]+ | [0-9]+ | [a-z]+ \"-\" [a-z]+ | \"\\\"\" [^\"]* \"\\\"\""},
      {"grammar of sums", 'g',
       "root ::= e\ne ::= t ((\"+\" | \"-\") t)*\nt ::= f ((\"*\" | \"/\") f)*\nf ::= [0-9]+ | \"(\" e \")\" | [a-z]+"},
      {"grammar of lines", 'g', "root ::= l+\nl ::= [^\\n]* \"\\n\" | \"# \" [^\\n]* \"\\n\" | \"- \" [^\\n]* \"\\n\""},
      {"grammar of ambiguous parts", 'g',
       "root ::= p{0,40}\np ::= \"(\" root \")\" | \"ab\" | \"a\" | \"ba\" | [^()]"}};
  return kKinds;
}

/// Not kept from the last time.
std::shared_ptr<const Network> compile(const Kind& kind) {
  if (kind.front == 'j') {
    return std::make_shared<const Network>(build_network(SchemaCompiler(kind.text, true).compile()));
  }
  if (kind.front == 'g') {
    return std::make_shared<const Network>(build_network(parse_gbnf(kind.text)));
  }
  Grammar grammar;
  grammar.root = grammar.add("root", parse_whole_regex(kind.text));
  return std::make_shared<const Network>(build_network(grammar));
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

void BM_Compile(benchmark::State& state, const Kind& kind) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(std::make_shared<Masks>(compile(kind), vocabulary()));
  }
}

/// Microseconds that this thread has computed: others on the machine do not count.
double computed_micros() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) * 1e-3;
}

/// Random answers, nothing kept from others: the times of all masks, their median and their 99.9th percentile.
void BM_Masks(benchmark::State& state, const Kind& kind) {
  const auto network = compile(kind);
  std::vector<double> micros;
  Rng rng(3);
  for (auto _ : state) {
    const auto masks = std::make_shared<Masks>(network, vocabulary());
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
  state.counters["p99_us"] = micros[micros.size() * 99 / 100];
  state.counters["p999_us"] = micros[micros.size() * 999 / 1000];
  state.counters["most_us"] = micros.back();
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  vocabulary();  // is not part of compiling
  for (const auto& kind : kinds()) {
    benchmark::RegisterBenchmark((std::string("compile/") + kind.name).c_str(), BM_Compile, kind)
        ->Unit(benchmark::kMillisecond);
    benchmark::RegisterBenchmark((std::string("masks/") + kind.name).c_str(), BM_Masks, kind)
        ->Iterations(3)
        ->Unit(benchmark::kMillisecond);
  }
  benchmark::RunSpecifiedBenchmarks();
}
