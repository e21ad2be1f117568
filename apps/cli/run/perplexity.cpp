#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "commands.h"
#include "load_model.h"
#include "output.h"
#include "read_text.h"
#include "terminal.h"

namespace dstorch::cli {

void run(const PerplexityArguments& arguments) {
  const auto text = read_text(arguments.file);
  const auto model = load_model(arguments.model);
  const auto cancel = interrupt_token();
  PerplexityResult result;
  {
    StatusLine line("reading the text");
    result = model->perplexity(text, [&](const Progress& progress) {
      line.update(fmt::format("{} of {} tokens", progress.done, progress.total));
      return !cancel.cancelled();
    });
  }
  if (arguments.json) {
    print_json({{"nll", result.nll},
                {"perplexity", result.perplexity},
                {"bits_per_byte", result.bits_per_byte},
                {"tokens", result.tokens},
                {"bytes", result.bytes}});
  } else {
    print("perplexity     {:.4f}\nbits per byte  {:.4f}\nnll            {:.2f}\ntokens         {}\nbytes          {}\n",
          result.perplexity, result.bits_per_byte, result.nll, result.tokens, result.bytes);
  }
}

}  // namespace dstorch::cli
