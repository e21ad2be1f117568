#include <fmt/core.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "answer_printer.h"
#include "commands.h"
#include "conversation.h"
#include "dstorch/error.h"
#include "load_model.h"
#include "output.h"
#include "read_text.h"
#include "report.h"
#include "several_answers.h"
#include "terminal.h"

namespace dstorch::cli {
namespace {

/// Prints the pieces as they come. A piece that cannot be printed ends the generation; `finish` says why.
class Printer {
 public:
  explicit Printer(StatusLine& line) : line_(line) {}

  bool operator()(std::string_view piece) {
    try {
      line_.clear();
      print(piece);
      flush_output();
      return true;
    } catch (const LMError&) {
      error_ = std::current_exception();
      return false;
    }
  }

  void finish() const {
    if (error_) {
      std::rethrow_exception(error_);
    }
    print("\n");
    flush_output();
  }

 private:
  StatusLine& line_;
  std::exception_ptr error_;
};

std::string text_of_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) {
    throw LMError(ErrorKind::not_found, fmt::format("{} cannot be read; give a file", path.string()));
  }
  return text.str();
}

std::optional<Constraint> constraint_of(const ConstraintArguments& arguments) {
  if (!arguments.json_schema.empty()) {
    const auto begin = arguments.json_schema.find_first_not_of(" \t\r\n");
    const bool is_json = begin != std::string::npos && arguments.json_schema[begin] == '{';
    return Constraint::json_schema(is_json ? arguments.json_schema : text_of_file(arguments.json_schema));
  }
  if (!arguments.regex.empty()) {
    return Constraint::regex(arguments.regex);
  }
  if (!arguments.choices.empty()) {
    return Constraint::choice(arguments.choices);
  }
  if (!arguments.grammar.empty()) {
    return Constraint::grammar(text_of_file(arguments.grammar));
  }
  return std::nullopt;
}

void show_speed(const GenerationResult& result) {
  if (const auto speed = speed_of(result); !speed.empty() && has_moving_lines()) {
    say(dim(speed));
  }
}

/// Whether the model was taught to answer messages: its directory says how a conversation is written.
bool is_for_conversations(const std::filesystem::path& directory) {
  if (std::filesystem::exists(directory / "chat_template.jinja")) {
    return true;
  }
  const auto path = directory / "tokenizer_config.json";
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) {
    return false;
  }
  std::ifstream file(path);
  const auto config = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  return config.is_object() && config.contains("chat_template") && !config["chat_template"].is_null();
}

/// A model for conversations often has nothing to say to a text that is none.
void explain_silence(const GenerateArguments& arguments, const GenerationResult& result) {
  if (!result.text.empty() || result.finish_reason != FinishReason::stop || result.stop_sequence) {
    return;
  }
  const std::filesystem::path directory = arguments.model.model;
  if (is_for_conversations(directory)) {
    say(fmt::format(
        "hint: the model ended its answer at once. It was taught to answer messages, and this prompt is not "
        "written as they are: dstorch generate --chat -m {} does that",
        directory.string()));
  } else {
    say("hint: the model ended its answer at once; --ignore-eos goes on past its end token");
  }
}

/// How to continue a text or ids.
GenerationOptions options_of(const GenerateArguments& arguments) {
  auto generation = arguments.generation.options;
  generation.constraint = constraint_of(arguments.constraint);
  generation.cancel = interrupt_token();
  return generation;
}

/// How to answer `messages`, which are checked.
ChatOptions options_of(const GenerateArguments& arguments, TorchModel& model, const std::vector<Message>& messages) {
  auto options = chat_options(model, arguments.conversation, arguments.generation);
  options.generation->constraint = constraint_of(arguments.constraint);
  options.generation->cancel = interrupt_token();
  check_conversation(model, messages, options);
  return options;
}

/// Continues a text or ids.
GenerationResult continue_prompt(const GenerateArguments& arguments, TorchModel& model, const std::string& text,
                                 StatusLine& line) {
  auto generation = options_of(arguments);
  Printer printer(line);
  if (arguments.json) {
    generation.on_token = [&line, told = false](std::string_view) mutable {
      if (!std::exchange(told, true)) {
        line.show("making the answer");
      }
      return true;
    };
  } else {
    generation.on_token = std::ref(printer);
  }
  auto result = arguments.prompt.ids.empty() ? model.complete(text, generation)
                                             : model.complete(arguments.prompt.ids, generation);
  line.clear();
  if (arguments.json) {
    print_json(to_json(result));
  } else {
    printer.finish();
  }
  return result;
}

/// Answers a conversation.
GenerationResult answer(const GenerateArguments& arguments, TorchModel& model, const std::vector<Message>& messages,
                        StatusLine& line) {
  auto options = options_of(arguments, model, messages);
  AnswerPrinter printer(line);
  if (!arguments.json) {
    options.on_piece = std::ref(printer);
  }
  const auto result = model.chat(messages, options);
  line.clear();
  if (arguments.json) {
    print_json(to_json(result));
  } else {
    printer.finish();
  }
  return result.generation;
}

/// Makes several answers and prints them when all are there.
void answer_several(const GenerateArguments& arguments, TorchModel& model, const std::vector<Message>& messages,
                    const std::string& text, StatusLine& line) {
  const auto n = *arguments.answers;
  line.show(fmt::format("making {} answers", n));
  if (!messages.empty()) {
    print_answers(model.chat_all(messages, n, options_of(arguments, model, messages)), arguments.json, line);
  } else if (arguments.prompt.ids.empty()) {
    print_answers(model.complete_all(text, n, options_of(arguments)), arguments.json, line);
  } else {
    print_answers(model.complete_all(arguments.prompt.ids, n, options_of(arguments)), arguments.json, line);
  }
}

void save_prefix(const GenerateArguments& arguments, TorchModel& model, const std::string& text) {
  if (arguments.save_prefix.empty()) {
    return;
  }
  if (arguments.prompt.ids.empty()) {
    model.save_prefix(arguments.save_prefix, text);
  } else {
    model.save_prefix(arguments.save_prefix, arguments.prompt.ids);
  }
}

}  // namespace

void run(const GenerateArguments& arguments) {
  std::vector<Message> messages;
  std::string text;
  if (!arguments.messages.empty()) {
    messages = parse_messages(read_text(arguments.messages));
  } else if (arguments.prompt.ids.empty()) {
    text = prompt_text(arguments.prompt);
  }
  if (arguments.chat) {
    messages = system_messages(arguments.conversation);
    messages.push_back({.role = "user", .content = text});
  }
  const auto model = load_model(arguments.model);
  if (!arguments.load_prefix.empty()) {
    model->load_prefix(arguments.load_prefix);
  }
  StatusLine line("reading the prompt");
  if (arguments.answers) {
    answer_several(arguments, *model, messages, text, line);
    save_prefix(arguments, *model, text);
    return;
  }
  const auto result =
      messages.empty() ? continue_prompt(arguments, *model, text, line) : answer(arguments, *model, messages, line);
  if (result.finish_reason == FinishReason::cancelled) {
    throw Interrupted();
  }
  save_prefix(arguments, *model, text);
  if (messages.empty()) {
    explain_silence(arguments, result);
  }
  show_speed(result);
}

}  // namespace dstorch::cli
