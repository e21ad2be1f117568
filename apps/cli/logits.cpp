#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "commands.h"
#include "dstorch/error.h"
#include "model_options.h"

namespace dstorch::cli {
namespace {

constexpr std::size_t kShown = 20;

struct Options {
  ModelOptions model;
  std::string prompt;
  std::string ids;
  bool json = false;
};

void print_table(const std::vector<float>& logits, const Tokenizer* tokenizer) {
  std::vector<std::size_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto shown = std::min(kShown, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(shown), order.end(),
                    [&](std::size_t a, std::size_t b) { return logits[a] > logits[b]; });
  fmt::print("{:>8}  {:>10}  token\n", "id", "logit");
  for (std::size_t i = 0; i < shown; ++i) {
    const auto id = order[i];
    fmt::print("{:>8}  {:>10.4f}  {}\n", id, logits[id],
               tokenizer != nullptr ? tokenizer->id_to_token(static_cast<int64_t>(id)) : "");
  }
}

void run(const Options& options) {
  const auto model = load_model(options.model);
  const auto tokenizer = model->tokenizer();
  std::vector<int64_t> ids;
  if (!options.ids.empty()) {
    ids = parse_ids(options.ids);
  } else {
    if (!tokenizer) {
      throw LMError(ErrorKind::unsupported, "this model has no tokenizer; give token ids with --ids");
    }
    ids = tokenizer->encode(options.prompt == "-" ? read_stdin() : options.prompt);
  }
  const auto logits = model->logits(ids);
  if (options.json) {
    const nlohmann::ordered_json json{{"ids", ids}, {"logits", logits}};
    fmt::print("{}\n", json.dump());
  } else {
    print_table(logits, tokenizer.get());
  }
}

}  // namespace

void add_logits(CLI::App& app) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("logits", "The logits for the token after a prompt");
  auto* prompt = command->add_option("prompt", options->prompt, "The text; - reads standard input");
  auto* ids = command->add_option("--ids", options->ids, "Token ids instead of a text: 1,2,3")->excludes(prompt);
  add_model_options(*command, options->model);
  command->add_flag("--json", options->json, "Print {\"ids\", \"logits\"} with one logit per vocabulary entry");
  command->footer(example("dstorch logits \"python3-\" --json"));
  command->callback([options, prompt, ids] {
    if (prompt->count() == 0 && ids->count() == 0) {
      throw CLI::RequiredError("a PROMPT or --ids");
    }
    run(*options);
  });
}

}  // namespace dstorch::cli
