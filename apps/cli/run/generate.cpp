#include <fmt/core.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "commands.h"
#include "dstorch/error.h"
#include "load_model.h"
#include "output.h"
#include "terminal.h"

namespace dstorch::cli {
namespace {

nlohmann::ordered_json to_json(const GenerationResult& result) {
  nlohmann::ordered_json json;
  json["text"] = result.text;
  json["tokens"] = result.tokens;
  json["finish_reason"] = to_string(result.finish_reason);
  if (result.stop_sequence) {
    json["stop_sequence"] = *result.stop_sequence;
  }
  json["usage"] = {{"prompt_tokens", result.usage.prompt_tokens},
                   {"completion_tokens", result.usage.completion_tokens}};
  json["seed"] = result.seed;
  for (const auto& record : result.logprobs) {
    nlohmann::ordered_json top = nlohmann::ordered_json::array();
    for (const auto& [token, logprob] : record.top) {
      top.push_back({{"token", token}, {"logprob", logprob}});
    }
    json["logprobs"].push_back({{"token", record.token}, {"logprob", record.logprob}, {"top", top}});
  }
  json["timings"] = {{"prompt_seconds", result.timings.prompt_seconds},
                     {"generation_seconds", result.timings.generation_seconds}};
  return json;
}

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

void show_speed(const GenerationResult& result) {
  if (result.usage.completion_tokens < 2 || !has_moving_lines()) {
    return;
  }
  // The first token belongs to the prompt.
  const auto speed = static_cast<double>(result.usage.completion_tokens - 1) / result.timings.generation_seconds;
  say(dim(fmt::format("{} tokens, {:.1f} tokens/s; prompt of {} read in {:.2f} s", result.usage.completion_tokens,
                      speed, result.usage.prompt_tokens, result.timings.prompt_seconds)));
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
        "written as they are: dstorch template -m {} --messages FILE writes it",
        directory.string()));
  } else {
    say("hint: the model ended its answer at once; --ignore-eos goes on past its end token");
  }
}

}  // namespace

void run(const GenerateArguments& arguments) {
  const auto text = arguments.prompt.ids.empty() ? prompt_text(arguments.prompt) : std::string();
  auto generation = arguments.generation;
  generation.cancel = interrupt_token();
  const auto model = load_model(arguments.model);
  StatusLine line("reading the prompt");
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
  const auto result = arguments.prompt.ids.empty() ? model->complete(text, generation)
                                                   : model->complete(arguments.prompt.ids, generation);
  line.clear();
  if (arguments.json) {
    print_json(to_json(result));
  } else {
    printer.finish();
  }
  if (result.finish_reason == FinishReason::cancelled) {
    throw Interrupted();
  }
  explain_silence(arguments, result);
  show_speed(result);
}

}  // namespace dstorch::cli
