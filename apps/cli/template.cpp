#include <dstorch/chat.h>
#include <dstorch/error.h>
#include <fmt/core.h>

#include <filesystem>
#include <memory>
#include <string>

#include "commands.h"
#include "help.h"
#include "output.h"
#include "read_text.h"
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

/// Where the model's files are: the directory itself, or that of one of them.
std::filesystem::path directory_of(const std::filesystem::path& model) {
  const auto status = std::filesystem::status(model);
  if (std::filesystem::is_directory(status)) {
    return model;
  }
  if (!std::filesystem::exists(status)) {
    throw LMError(ErrorKind::not_found, fmt::format("there is no {}", model.string()));
  }
  if (!std::filesystem::is_regular_file(status)) {
    throw LMError(
        ErrorKind::invalid_argument,
        fmt::format("{} must be a directory with a model's tokenizer files, or one of its files", model.string()));
  }
  return std::filesystem::absolute(model).parent_path();
}

void run(const TemplateArguments& arguments) {
  const auto chat_template = ChatTemplate::load(directory_of(arguments.model));
  ChatTemplateOptions options;
  options.add_generation_prompt = !arguments.no_generation_prompt;
  options.variables = arguments.variables;
  if (!arguments.tools.empty()) {
    options.tools = parse_tools(read_text(arguments.tools));
  }
  const auto messages = read_text(arguments.messages);
  try {
    check_tools(options.tools);
    print(std::string_view(chat_template->render_json(messages, options)));
  } catch (const LMError& e) {
    // The command was used rightly: it is the tools that are none, or the template that does not take this
    // conversation.
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
