#include "commands.h"
#include "help.h"
#include "model_options.h"

namespace dstorch::cli {

void add_devices(CLI::App& app) {
  auto arguments = std::make_shared<DevicesArguments>();
  auto& command = *app.add_subcommand("devices", "What there is to compute on, and why not")->group(kLookGroup);
  command.add_flag("--fallbacks", arguments->fallbacks,
                   "Generate a few tokens on webgl and list the ops that ran on the CPU for want of a shader");
  command.add_flag("--json", arguments->json, "Print one JSON object");
  add_model(command, arguments->model, "For --fallbacks; the bundled model when left out");
  command.footer(example("dstorch devices --json"));
  command.callback([arguments] { run(*arguments); });
}

}  // namespace dstorch::cli
