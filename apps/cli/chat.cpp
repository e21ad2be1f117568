#include "commands.h"
#include "generation_options.h"
#include "help.h"
#include "model_options.h"

namespace dstorch::cli {

void add_chat(CLI::App& app) {
  auto arguments = std::make_shared<ChatArguments>();
  auto& command = *app.add_subcommand("chat", "Converse with a model")->group(kRunGroup);
  add_conversation_options(command, arguments->conversation);
  add_generation_options(command, arguments->generation);
  for (const char* name : kMakersOptions) {
    command.get_option(name)->default_str("the model's own");
  }
  add_model_options(command, arguments->model);
  add_prefix_cache(command, arguments->model);
  add_draft_model(command, arguments->model);
  command.footer(
      "At a terminal: Enter sends, Alt-Enter or a \\ at the end begins a new line, Ctrl-C stops an answer, /help says "
      "the "
      "rest.\nFrom a pipe: each line is a message, or one of the same commands.\n\n" +
      example("dstorch chat -m MODEL"));
  command.callback([arguments] { run(*arguments); });
}

}  // namespace dstorch::cli
