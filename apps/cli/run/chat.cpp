#include <fmt/core.h>

#include <cstdint>
#include <memory>
#include <string>

#include "chat_commands.h"
#include "chat_session.h"
#include "chat_signals.h"
#include "commands.h"
#include "conversation.h"
#include "dstorch/error.h"
#include "load_model.h"
#include "message_reader.h"
#include "terminal.h"

namespace dstorch::cli {
namespace {

/// What somebody said, or a command. False when that asks to end.
bool take_message(const std::string& text, ChatSession& session) {
  if (text.starts_with('/') && !text.starts_with("//")) {
    return run_chat_command(text, session);
  }
  session.say(text.starts_with("//") ? text.substr(1) : text);
  return true;
}

/// Until Ctrl-D. What goes wrong is said, and the conversation goes on.
void converse_at_terminal(MessageReader& reader, ChatSession& session) {
  bool goes_on = true;
  while (goes_on) {
    const auto message = reader.read("> ");
    if (!message) {
      return;
    }
    if (message->interrupted) {
      if (message->text.empty()) {
        say(dim("Ctrl-D or /quit ends; Ctrl-C stops an answer"));
      }
      continue;
    }
    if (message->text.find_first_not_of(" \t\n") == std::string::npos) {
      continue;
    }
    try {
      goes_on = take_message(message->text, session);
    } catch (const LMError& e) {
      say(fmt::format("error: {}", e.what()));
    }
  }
}

/// Until the end of standard input, or what goes wrong first.
void converse_by_pipe(MessageReader& reader, ChatSession& session) {
  while (const auto message = reader.read({})) {
    const bool empty = message->text.find_first_not_of(" \t\r\n") == std::string::npos;
    if (!empty && !take_message(message->text, session)) {
      return;
    }
  }
}

/// "1.7 billion"
std::string rounded(int64_t count) {
  const auto number = static_cast<double>(count);
  return number >= 1e9   ? fmt::format("{:.1f} billion", number / 1e9)
         : number >= 1e6 ? fmt::format("{:.0f} million", number / 1e6)
                         : fmt::format("{:.0f} thousand", number / 1e3);
}

void greet(const ModelInfo& info) {
  say(dim(fmt::format("{}, {} parameters, {}. /help says what there is to know; Ctrl-D ends.", info.model_type,
                      rounded(info.parameters), to_string(info.dtype))));
}

}  // namespace

void run(const ChatArguments& arguments) {
  const auto model = load_model(arguments.model);
  const auto options = chat_options(*model, arguments.conversation, arguments.generation);
  if (stdin_is_terminal()) {
    ChatSignals signals;
    const auto reader = terminal_messages(signals);
    ChatSession session(*model, options, *reader, &signals);
    session.set_system(arguments.conversation.system);
    greet(model->info());
    converse_at_terminal(*reader, session);
    return;
  }
  const auto reader = piped_messages();
  ChatSession session(*model, options, *reader, nullptr);
  session.set_system(arguments.conversation.system);
  converse_by_pipe(*reader, session);
}

}  // namespace dstorch::cli
