// What holding an answer to something costs a whole model: processor time for a token with a constraint, and without
// one for as many tokens in each stream, alternating, for one stream and for eight. (Answers that end at different
// times leave smaller batches behind, which cost more for a token whatever they are held to.)
//   bench_typed_answers MODEL [TOKENIZER] [ROUNDS]
#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <exception>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "dstorch/constraint.h"
#include "dstorch/torch_model.h"
#include "median.h"

namespace {

using namespace dstorch;

constexpr int64_t kTokens = 128;

/// Milliseconds that all threads of this program have computed: others on the machine do not count.
double computed_ms() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) * 1e-6;
}

struct Kind {
  std::string name;
  Constraint constraint;
};

std::vector<Kind> kinds() {
  std::string record = R"({"type": "object", "properties": {)";
  for (int i = 0; i < 6; ++i) {
    record += fmt::format(R"({}"a_property_with_a_long_name_{}": {{"enum": ["first_choice", "second_choice"]}})",
                          i > 0 ? ", " : "", i);
  }
  return {{"free text, a regular expression", Constraint::regex("[^\\n]{1,8000}")},
          {"free text, a JSON string", Constraint::json_schema(R"({"type": "string"})")},
          {"any JSON", Constraint::json_schema(R"({"type": "array", "minItems": 40})")},
          {"a record, much of it forced", Constraint::json_schema(record + "}}", Constraint::WhiteSpace::none)}};
}

/// How many tokens each stream got, and the milliseconds for all of them, the prompts' included.
struct Answers {
  std::vector<int64_t> lengths;
  double ms = 0;
};

/// As many streams as `lengths`, each of at most so many tokens.
Answers answer(TorchModel& model, const std::optional<Constraint>& constraint, const std::vector<int64_t>& lengths,
               uint64_t seed) {
  GenerationOptions options{.temperature = 1, .ignore_eos = true};
  options.speculation = Speculation::off;
  options.constraint = constraint;
  const double begin = computed_ms();
  std::vector<PendingGeneration> pending;
  for (const auto length : lengths) {
    options.max_tokens = length;
    options.seed = seed * 100 + pending.size();
    pending.push_back(model.submit("Once", options));
  }
  Answers answers;
  for (auto& generation : pending) {
    answers.lengths.push_back(generation.wait().usage.completion_tokens);
  }
  answers.ms = computed_ms() - begin;
  return answers;
}

void run(const std::vector<std::string>& words) {
  TorchModelConfig config{.model_path = words.at(0)};
  if (words.size() > 1) {
    config.tokenizer_path = words[1];
  }
  const int rounds = words.size() > 2 ? std::stoi(words[2]) : 9;
  TorchModel model(config);
  model.init();
  const auto all = kinds();
  for (const std::size_t streams : {1, 8}) {
    std::vector<std::vector<double>> times(all.size());
    std::vector<std::vector<double>> ratios(all.size());
    for (int round = -1; round < rounds; ++round) {
      for (std::size_t i = 0; i < all.size(); ++i) {
        const auto seed = static_cast<uint64_t>(round + 1);
        const auto held = answer(model, all[i].constraint, std::vector<int64_t>(streams, kTokens), seed);
        const auto free = answer(model, std::nullopt, held.lengths, seed);
        if (round >= 0) {  // the first one makes what is kept
          const auto tokens = std::accumulate(held.lengths.begin(), held.lengths.end(), int64_t{0});
          times[i].push_back(held.ms / static_cast<double>(tokens));
          ratios[i].push_back(held.ms / free.ms);
        }
      }
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
      fmt::print("{} streams, {}: {:.2f} ms a token, {:.3f} of that without\n", streams, all[i].name, median(times[i]),
                 median(ratios[i]));
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
