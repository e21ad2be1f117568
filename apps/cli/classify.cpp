#include "commands.h"
#include "help.h"
#include "model_options.h"

namespace dstorch::cli {

void add_classify(CLI::App& app) {
  auto arguments = std::make_shared<ClassifyArguments>();
  auto& command = *app.add_subcommand("classify", "Which class each text is of, by a model that tells classes apart")
                       ->group(kRunGroup);
  add_text_list(command, arguments->texts);
  add_model_options(command, arguments->model);
  command.add_flag("--json", arguments->json,
                   "Print {\"classes\": [[{\"name\", \"probability\"}, ...], ...]} instead of one line a text");
  command.footer(example("dstorch classify \"a YAML parser for Python 3\" -m MODEL"));
  command.callback([arguments] {
    check_texts(arguments->texts);
    run(*arguments);
  });
}

}  // namespace dstorch::cli
