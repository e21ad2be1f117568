// What holding an answer to something costs a whole model: processor time for a token, with a constraint and without,
// alternating, for one stream and for eight.
//   bench_typed_answers MODEL [TOKENIZER] [ROUNDS]
#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <exception>
#include <optional>
#include <string>
#include <vector>

#include "dstorch/constraint.h"
#include "dstorch/torch_model.h"

namespace {

using namespace dstorch;

constexpr int64_t kTokens = 128;

/// Milliseconds that all threads of this program have computed: others on the machine do not count.
double computed_ms() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) * 1e-6;
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

struct Kind {
  std::string name;
  std::optional<Constraint> constraint;
};

std::vector<Kind> kinds() {
  std::string record = R"({"type": "object", "properties": {)";
  for (int i = 0; i < 6; ++i) {
    record += fmt::format(R"({}"a_property_with_a_long_name_{}": {{"enum": ["first_choice", "second_choice"]}})",
                          i > 0 ? ", " : "", i);
  }
  return {{"no constraint", std::nullopt},
          {"free text, a regular expression", Constraint::regex("[^\\n]{1,8000}")},
          {"free text, a JSON string", Constraint::json_schema(R"({"type": "string"})")},
          {"any JSON", Constraint::json_schema(R"({"type": "array", "minItems": 40})")},
          {"a record, much of it forced", Constraint::json_schema(record + "}}", Constraint::WhiteSpace::none)}};
}

/// Milliseconds for each token, the prompt's share included.
double measure(TorchModel& model, const Kind& kind, int streams, uint64_t seed) {
  GenerationOptions options{.max_tokens = kTokens, .temperature = 1, .ignore_eos = true};
  options.constraint = kind.constraint;
  const double begin = computed_ms();
  std::vector<PendingGeneration> pending;
  for (int i = 0; i < streams; ++i) {
    options.seed = seed * 100 + static_cast<uint64_t>(i);
    pending.push_back(model.submit("Once", options));
  }
  int64_t tokens = 0;
  for (auto& generation : pending) {
    tokens += generation.wait().usage.completion_tokens;
  }
  return (computed_ms() - begin) / static_cast<double>(tokens);
}

void run(const std::vector<std::string>& words) {
  TorchModelConfig config{.model_path = words.at(0)};
  if (words.size() > 1) {
    config.tokenizer_path = words[1];
  }
  const int rounds = words.size() > 2 ? std::stoi(words[2]) : 9;
  TorchModel model(config);
  model.init();
  for (const int streams : {1, 8}) {
    const auto all = kinds();
    std::vector<std::vector<double>> times(all.size());
    for (int round = -1; round < rounds; ++round) {
      for (std::size_t i = 0; i < all.size(); ++i) {
        const double time = measure(model, all[i], streams, static_cast<uint64_t>(round + 1));
        if (round >= 0) {  // the first one makes what is kept
          times[i].push_back(time);
        }
      }
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
      std::vector<double> ratios;
      for (std::size_t round = 0; round < times[i].size(); ++round) {
        ratios.push_back(times[i][round] / times[0][round]);
      }
      fmt::print("{} streams, {}: {:.2f} ms a token, {:.3f} of that without\n", streams, all[i].name, median(times[i]),
                 median(ratios));
    }
  }
}

}  // namespace

int main(int count, char** words) {
  try {
    run({words + 1, words + count});
    return 0;
  } catch (const std::exception& e) {
    fmt::print(stderr, "error: {}\n", e.what());
    return 1;
  }
}
