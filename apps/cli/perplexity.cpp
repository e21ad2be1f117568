#include "commands.h"
#include "help.h"
#include "model_options.h"
#include "values.h"

namespace dstorch::cli {

void add_perplexity(CLI::App& app) {
  auto arguments = std::make_shared<PerplexityArguments>();
  auto& command = *app.add_subcommand("perplexity", "How well a model predicts a text")->group(kLookGroup);
  add_text(command, "FILE", arguments->file, "", "The text file; - reads standard input")->required();
  add_model_options(command, arguments->model);
  command.add_flag("--json", arguments->json,
                   "Print {\"nll\", \"perplexity\", \"bits_per_byte\", \"tokens\", \"bytes\"}");
  command.footer(example("dstorch perplexity README.md"));
  command.callback([arguments] { run(*arguments); });
}

}  // namespace dstorch::cli
