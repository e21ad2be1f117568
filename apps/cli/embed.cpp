#include "commands.h"
#include "help.h"
#include "model_options.h"

namespace dstorch::cli {

void add_embed(CLI::App& app) {
  auto arguments = std::make_shared<EmbedArguments>();
  auto& command =
      *app.add_subcommand("embed", "Texts as vectors: the mean of their last hidden states")->group(kRunGroup);
  add_text_list(command, arguments->texts);
  add_model_options(command, arguments->model);
  command.add_flag("--json", arguments->json, "Print {\"embeddings\": [[...], ...]} instead of one line a text");
  command.footer(example("dstorch embed \"a text\" \"another\" --json"));
  command.callback([arguments] {
    check_texts(arguments->texts);
    run(*arguments);
  });
}

}  // namespace dstorch::cli
