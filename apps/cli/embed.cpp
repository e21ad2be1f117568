#include "commands.h"
#include "help.h"
#include "model_options.h"
#include "values.h"

namespace dstorch::cli {

void add_embed(CLI::App& app) {
  auto arguments = std::make_shared<EmbedArguments>();
  auto& command =
      *app.add_subcommand("embed", "Texts as vectors: the mean of their last hidden states")->group(kRunGroup);
  auto* texts = add_texts(command, "TEXT", arguments->texts, "", "The texts; without any, the lines of standard input");
  texts->expected(CLI::detail::expected_max_vector_size);
  add_text(command, "--file", arguments->file, "LINES", "A file of one text a line instead; - is standard input")
      ->excludes(texts);
  add_model_options(command, arguments->model);
  command.add_flag("--json", arguments->json, "Print {\"embeddings\": [[...], ...]} instead of one line a text");
  command.footer(example("dstorch embed \"a text\" \"another\" --json"));
  command.callback([arguments] {
    if (arguments->texts.empty() && arguments->file.empty() && stdin_is_terminal()) {
      throw CLI::RequiredError("TEXT, --file, or lines on standard input");
    }
    run(*arguments);
  });
}

}  // namespace dstorch::cli
