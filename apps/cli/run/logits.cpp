#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "commands.h"
#include "load_model.h"
#include "output.h"
#include "terminal.h"

namespace dstorch::cli {
namespace {

constexpr std::size_t kShown = 20;

void print_table(const std::vector<float>& logits, const Tokenizer* tokenizer) {
  std::vector<std::size_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto shown = std::min(kShown, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(shown), order.end(),
                    [&](std::size_t a, std::size_t b) { return logits[a] > logits[b]; });
  print("{:>8}  {:>10}  token\n", "id", "logit");
  for (std::size_t i = 0; i < shown; ++i) {
    const auto id = order[i];
    print("{:>8}  {:>10.4f}  {}\n", id, logits[id],
          tokenizer != nullptr ? tokenizer->id_to_token(static_cast<int64_t>(id)) : "");
  }
}

}  // namespace

void run(const LogitsArguments& arguments) {
  auto ids = arguments.prompt.ids;
  const auto text = ids.empty() ? prompt_text(arguments.prompt) : std::string();
  const auto model = load_model(arguments.model);
  const auto tokenizer = model->tokenizer();
  std::vector<float> logits;
  {
    const StatusLine line("reading the prompt");
    if (ids.empty() && tokenizer) {
      ids = tokenizer->encode(text);
    }
    logits = ids.empty() ? model->logits(text) : model->logits(ids);
  }
  if (arguments.json) {
    print_json({{"ids", ids}, {"logits", logits}});
  } else {
    print_table(logits, tokenizer.get());
  }
}

}  // namespace dstorch::cli
