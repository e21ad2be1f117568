// What guessing answers ahead is worth: the time that one answer, or several at once, take with it over what they take
// without, by text. Runs with and without alternate, so that whatever else the machine does is in both; each figure is
// the median of the rounds' ratios. The model must be one that converses, for its texts to be texts.
//   bench_speculation MODEL [ROUNDS [DRAFT_MODEL]]
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "dstorch/dstorch.h"
#include "median.h"

namespace {

using namespace dstorch;

constexpr int64_t kTokens = 160;

constexpr const char* kArticle =
    "The common oak grows to forty metres and may live for a thousand years. Its bark is grey and deeply cracked, its "
    "leaves have rounded lobes, and its acorns hang on long stalks. Jays bury the acorns in autumn and forget many of "
    "them, so that oaks come up far from where they fell. The wood is hard and heavy; ships, barrels and roofs were "
    "made of it for centuries. The fir keeps its needles in winter, and its cones stand upright on the branches.";

struct Text {
  std::string name;
  std::string prompt;
  double temperature;
};

std::vector<Text> texts() {
  std::string records = "[\n";
  for (const char* name : {"oak", "fir", "birch", "beech"}) {
    records += fmt::format(
        "  {{\"name\": \"{}\", \"kind\": \"tree\", \"has_leaves\": true, \"height_in_metres\": 30}},\n", name);
  }
  const auto ask = [](const std::string& question) {
    return "<|im_start|>user\n" + question + "<|im_end|>\n<|im_start|>assistant\n";
  };
  return {
      {"a JSON list", records, 0},
      {"a JSON list, sampled", records, 1},
      {"a text said again, with quotes", ask(std::string("Repeat this text word for word: \"") + kArticle + "\""), 0},
      {"a story", ask("Write a long story about a fisherman who finds a letter in a bottle."), 0},
      {"a story, sampled", ask("Write a long story about a fisherman who finds a letter in a bottle."), 1},
      {"numbers that say nothing", "83 12 7 55 91 3 42", 3}};
}

/// The seconds from the first token of the first answer to the end of all of them, of `streams` answers at once.
struct Run {
  double seconds = 0;
  int64_t tokens = 0;
  int64_t drafted = 0;
  int64_t accepted = 0;
};

Run answer(TorchModel& model, const Text& text, int64_t streams, uint64_t seed, Speculation speculation) {
  GenerationOptions options{.max_tokens = kTokens, .temperature = text.temperature, .ignore_eos = true};
  options.speculation = speculation;
  options.seed = seed;
  Run run;
  double first = 1e9;
  double last = 0;
  for (const auto& result : model.complete_all(text.prompt, streams, options)) {
    first = std::min(first, result.timings.token_seconds.front());
    last = std::max(last, result.timings.token_seconds.back());
    run.tokens += result.usage.completion_tokens;
    run.drafted += result.timings.drafted_tokens;
    run.accepted += result.timings.accepted_tokens;
  }
  run.seconds = last - first;
  return run;
}

void run(const std::vector<std::string>& words) {
  TorchModelConfig config{.model_path = words.at(0)};
  if (words.size() > 2) {
    config.draft_model_path = words[2];
  }
  const auto always = config.draft_model_path ? Speculation::draft_model : Speculation::lookup;
  TorchModel model(config);
  model.init();
  const int rounds = words.size() > 1 ? std::stoi(words[1]) : 9;
  for (const int64_t streams : {1, 8}) {
    for (const auto& text : texts()) {
      std::vector<double> speeds;
      std::vector<double> automatic;
      std::vector<double> whatever_it_costs;
      Run last;
      for (int round = 0; round < rounds; ++round) {
        const auto seed = static_cast<uint64_t>(100 * round);
        const auto plain = answer(model, text, streams, seed, Speculation::off);
        last = answer(model, text, streams, seed, Speculation::automatic);
        const auto other = answer(model, text, streams, seed, always);
        speeds.push_back(static_cast<double>(plain.tokens) / plain.seconds);
        automatic.push_back(plain.seconds / last.seconds);
        whatever_it_costs.push_back(plain.seconds / other.seconds);
      }
      fmt::print("{} at once, {}: {:.0f} tokens/s; automatic {:.2f} times that ({} of {} guesses true), {} {:.2f}\n",
                 streams, text.name, median(speeds), median(automatic), last.accepted, last.drafted, to_string(always),
                 median(whatever_it_costs));
      std::fflush(stdout);
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
