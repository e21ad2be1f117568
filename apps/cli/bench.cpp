#include "commands.h"
#include "dstorch/error.h"
#include "help.h"
#include "model_options.h"
#include "values.h"

namespace dstorch::cli {

void add_bench(CLI::App& app) {
  auto arguments = std::make_shared<BenchArguments>();
  auto& command = *app.add_subcommand("bench", "Speed and memory of a model on this machine")->group(kLookGroup);
  const auto count = [&](const char* name, int64_t& value, const char* help) {
    add_value(command, name, "N", help, [&value](const std::string& option, const std::string& text) {
      parse_number(option, text, value);
      if (value < 1) {
        throw LMError(ErrorKind::invalid_argument, fmt::format("{} must be at least 1, got {}", option, text));
      }
    })->default_str(fmt::format("{}", value));
  };
  count("--prompt-tokens", arguments->prompt_tokens, "Length of the prompt");
  count("--max-tokens", arguments->max_tokens, "Tokens to make");
  count("--streams", arguments->streams, "Calls at once, each with a prompt of its own");
  count("--repetitions", arguments->repetitions, "The best of so many runs is shown");
  command.add_flag("--json", arguments->json, "Print one JSON object");
  add_model_options(command, arguments->model);
  command.footer(example("dstorch bench --prompt-tokens 256"));
  command.callback([arguments] { run(*arguments); });
}

}  // namespace dstorch::cli
