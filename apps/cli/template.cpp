#include <dstorch/chat.h>
#include <dstorch/error.h>
#include <fmt/core.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "commands.h"
#include "help.h"
#include "output.h"
#include "values.h"

namespace dstorch::cli {
namespace {

struct TemplateArguments {
  std::string model;
  std::string messages;
  std::string tools;
  std::string variables;
  bool no_generation_prompt = false;
};

std::string read_json_file(const std::string& option, const std::string& path) {
  if (path == "-") {
    return read_stdin();
  }
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path)) {
    throw LMError(ErrorKind::not_found, fmt::format("{}: {} is no file that can be read", option, path));
  }
  return {std::istreambuf_iterator<char>(file), {}};
}

void run(const TemplateArguments& arguments) {
  std::filesystem::path directory = arguments.model;
  if (!std::filesystem::is_directory(directory)) {
    directory = directory.parent_path();
  }
  const auto chat_template = ChatTemplate::load(directory);
  ChatTemplateOptions options;
  options.add_generation_prompt = !arguments.no_generation_prompt;
  options.variables = arguments.variables;
  if (!arguments.tools.empty()) {
    options.tools = parse_tools(read_json_file("--tools", arguments.tools));
  }
  const auto messages = read_json_file("--messages", arguments.messages);
  try {
    print(std::string_view(chat_template->render_json(messages, options)));
  } catch (const LMError& e) {
    // The command was used rightly: it is the template that does not take this conversation.
    throw e.kind() == ErrorKind::invalid_argument ? LMError(ErrorKind::format, e.what()) : e;
  }
}

}  // namespace

void add_template(CLI::App& app) {
  auto arguments = std::make_shared<TemplateArguments>();
  auto& command = *app.add_subcommand("template", "The prompt that a model's chat template makes of a conversation")
                       ->group(kLookGroup);
  add_text(command, "-m,--model", arguments->model, "MODEL", "A directory with a model's tokenizer files")->required();
  add_text(command, "--messages", arguments->messages, "FILE",
           "The conversation, a JSON array of messages; - reads standard input")
      ->required();
  add_text(command, "--tools", arguments->tools, "FILE", "Functions that the model may call, a JSON array");
  add_text(command, "--variables", arguments->variables, "JSON",
           R"(More that the template asks for, an object: '{"enable_thinking": false}')");
  command.add_flag("--no-generation-prompt", arguments->no_generation_prompt,
                   "Leave out what begins the assistant's answer");
  command.footer(example("dstorch template -m MODEL --messages messages.json"));
  command.callback([arguments] { run(*arguments); });
}

}  // namespace dstorch::cli
