#include "commands.h"
#include "help.h"
#include "model_options.h"

namespace dstorch::cli {

void add_logits(CLI::App& app) {
  auto arguments = std::make_shared<LogitsArguments>();
  auto& command = *app.add_subcommand("logits", "The logits for the token after a prompt")->group(kRunGroup);
  add_prompt(command, arguments->prompt, "The text; left out or -, it is read from standard input",
             "Token ids instead of a text");
  add_model_options(command, arguments->model);
  command.add_flag("--json", arguments->json, "Print {\"ids\", \"logits\"} with one logit per vocabulary entry");
  command.footer(example("dstorch logits \"python3-\" --json"));
  command.callback([arguments] {
    check_prompt(arguments->prompt);
    run(*arguments);
  });
}

}  // namespace dstorch::cli
