#include "chat_commands.h"

#include <fmt/core.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string_view>
#include <vector>

#include "dstorch/error.h"
#include "report.h"
#include "suggest.h"
#include "terminal.h"

namespace dstorch::cli {
namespace {

constexpr std::string_view kHelp =
    "/system TEXT   what the model is told before all else; alone: show it; /system - : nothing\n"
    "/reset         begin anew\n"
    "/save FILE     write the conversation, as --messages reads it\n"
    "/load FILE     go on with one\n"
    "/stats         speed, and how full the context is\n"
    "/help          this\n"
    "/quit          end; so does Ctrl-D\n"
    "//TEXT         say /TEXT\n"
    "Alt-Enter, Ctrl-J or a \\ at the end begin a new line, Up and Down bring back what was said, Ctrl-C stops an "
    "answer.";

/// "~/x" is in the home directory, as in a shell.
std::filesystem::path file_of(const std::string& command, const std::string& text) {
  if (text.empty()) {
    throw LMError(ErrorKind::invalid_argument, fmt::format("{} needs a file, as in {} talk.json", command, command));
  }
  const char* home = std::getenv("HOME");
  return text.starts_with("~/") && home != nullptr ? std::filesystem::path(home) / text.substr(2)
                                                   : std::filesystem::path(text);
}

void tell(std::string_view text) { say(dim(text)); }

void change_system(ChatSession& session, const std::string& text) {
  if (text.empty()) {
    const auto system = session.system();
    tell(system.empty() ? "the model is told nothing; /system TEXT tells it something" : system);
    return;
  }
  session.set_system(text == "-" ? "" : text);
  tell(text == "-" ? "the model is told nothing from now on" : "the model is told so from now on");
}

void show_stats(const ChatSession& session) {
  const auto& last = session.last();
  if (!last) {
    tell("nothing was answered yet");
    return;
  }
  const auto used = last->usage.prompt_tokens + last->usage.completion_tokens;
  const auto speed = speed_of(*last);
  tell(fmt::format("{} messages, {} of {} tokens of the context; the last answer: {}", session.messages().size(), used,
                   session.model_info().max_context,
                   speed.empty() ? fmt::format("{} tokens", last->usage.completion_tokens) : speed));
}

struct Command {
  const char* name;
  std::function<void(ChatSession&, const std::string& text)> run;
};

const std::vector<Command>& commands() {
  static const std::vector<Command> all{
      {"/help", [](ChatSession&, const std::string&) { tell(kHelp); }},
      {"/system", change_system},
      {"/reset",
       [](ChatSession& session, const std::string&) {
         session.reset();
         tell("a new conversation");
       }},
      {"/save",
       [](ChatSession& session, const std::string& text) {
         session.save(file_of("/save", text));
         tell(fmt::format("{} messages saved", session.messages().size()));
       }},
      {"/load",
       [](ChatSession& session, const std::string& text) {
         session.load(file_of("/load", text));
         tell(fmt::format("{} messages loaded", session.messages().size()));
       }},
      {"/stats", [](ChatSession& session, const std::string&) { show_stats(session); }},
  };
  return all;
}

std::string trimmed(const std::string& text) {
  const auto begin = text.find_first_not_of(" \t\n");
  return begin == std::string::npos ? std::string() : text.substr(begin, text.find_last_not_of(" \t\n") + 1 - begin);
}

}  // namespace

bool run_chat_command(const std::string& line, ChatSession& session) {
  const auto end = line.find_first_of(" \t\n");
  const auto name = line.substr(0, end);
  if (name == "/quit" || name == "/exit" || name == "/bye") {
    return false;
  }
  std::vector<std::string> known{"/quit"};
  for (const auto& command : commands()) {
    if (name == command.name) {
      command.run(session, end == std::string::npos ? std::string() : trimmed(line.substr(end)));
      return true;
    }
    known.emplace_back(command.name);
  }
  throw LMError(ErrorKind::invalid_argument,
                fmt::format("there is no command {}{}; /help shows them, and //... says it to the model", name,
                            did_you_mean(name, known)));
}

}  // namespace dstorch::cli
