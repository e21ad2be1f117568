#include "commands.h"
#include "help.h"
#include "model_options.h"
#include "values.h"

namespace dstorch::cli {

void add_merge(CLI::App& app) {
  auto arguments = std::make_shared<MergeArguments>();
  auto& command = *app.add_subcommand("merge", "Work a LoRA adapter into the weights of its model")->group(kTrainGroup);
  add_text(command, "-m,--model", arguments->model, "DIR", "Model directory; the bundled model when left out");
  add_text(command, "--adapter", arguments->adapter, "DIR", "The adapter, in PEFT's format")->required();
  add_text(command, "-o,--output", arguments->output, "PATH",
           "Model directory to write, or a .pt file of the weights alone, for Python")
      ->required();
  add_choice(command, "--dtype", arguments->dtype, {"float32", "bfloat16", "float16"},
             "Of the weights written; left out, that of each in the model");
  command.add_flag("--overwrite", arguments->options.overwrite, "Replace what is at the output");
  command.footer(example("dstorch merge -m my-model --adapter my-adapter -o merged"));
  command.callback([arguments] { run(*arguments); });
}

}  // namespace dstorch::cli
