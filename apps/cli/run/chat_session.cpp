#include "chat_session.h"

#include <fmt/core.h>

#include <cerrno>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "answer_printer.h"
#include "commands.h"
#include "conversation.h"
#include "dstorch/error.h"
#include "read_text.h"
#include "terminal.h"

namespace dstorch::cli {
namespace {

namespace fs = std::filesystem;

bool has_system(const std::vector<Message>& messages) { return !messages.empty() && messages[0].role == "system"; }

/// Whether somebody keeps something else in `file`, which must not be written over.
bool holds_something_else(const fs::path& file) {
  std::error_code error;
  if (!fs::exists(file, error) || (fs::is_regular_file(file, error) && fs::file_size(file, error) == 0)) {
    return false;
  }
  try {
    (void)parse_messages(read_text(file.string()));
    return false;
  } catch (const LMError&) {
    return true;
  }
}

/// What stops an answer while it is made.
class AnswerSignal {
 public:
  explicit AnswerSignal(ChatSignals* signals)
      : signals_(signals), token_(signals != nullptr ? signals->begin_answer() : interrupt_token()) {}
  AnswerSignal(const AnswerSignal&) = delete;
  AnswerSignal& operator=(const AnswerSignal&) = delete;
  ~AnswerSignal() {
    if (signals_ != nullptr) {
      signals_->end_answer();
    }
  }
  [[nodiscard]] const CancelToken& token() const noexcept { return token_; }

 private:
  ChatSignals* signals_;
  CancelToken token_;
};

}  // namespace

void ChatSession::set_system(const std::string& text) {
  if (has_system(messages_)) {
    messages_.erase(messages_.begin());
  }
  if (!text.empty()) {
    messages_.insert(messages_.begin(), {.role = "system", .content = text});
  }
}

std::string ChatSession::system() const { return has_system(messages_) ? messages_[0].content : std::string(); }

void ChatSession::reset() {
  messages_.erase(messages_.begin() + (has_system(messages_) ? 1 : 0), messages_.end());
  last_.reset();
}

void ChatSession::say(const std::string& text) {
  const auto before = messages_.size();
  messages_.push_back({.role = "user", .content = text});
  try {
    answer();
  } catch (...) {
    messages_.erase(messages_.begin() + static_cast<std::ptrdiff_t>(before), messages_.end());
    throw;
  }
  // What was stopped before it said anything was not asked.
  if (messages_.back().role != "assistant") {
    messages_.erase(messages_.begin() + static_cast<std::ptrdiff_t>(before), messages_.end());
  }
}

void ChatSession::answer() {
  while (true) {
    check_conversation(model_, messages_, options_);
    auto result = ask();
    last_ = std::move(result.generation);
    const bool cancelled = last_->finish_reason == FinishReason::cancelled;
    if (cancelled && signals_ == nullptr) {
      throw Interrupted();
    }
    if (cancelled && result.message.content.empty()) {
      cli::say("");
      return;
    }
    if (cancelled) {
      result.message.tool_calls.clear();  // nobody will answer them
    }
    messages_.push_back(std::move(result.message));
    if (last_->finish_reason == FinishReason::length) {
      cli::say(dim(fmt::format("[cut after {} tokens; --max-tokens and --context say how many there may be]",
                               last_->usage.completion_tokens)));
    }
    const Message asked = messages_.back();
    if (asked.tool_calls.empty() || !run_tools(asked)) {
      return;
    }
  }
}

ChatResult ChatSession::ask() {
  StatusLine line("reading the conversation");
  AnswerPrinter printer(line);
  auto options = options_;
  options.on_piece = std::ref(printer);
  const AnswerSignal signal(signals_);
  options.generation->cancel = signal.token();
  auto result = model_.chat(messages_, options);
  line.clear();
  printer.finish();
  return result;
}

/// Whoever converses answers for the tools that the model calls; false when he does not.
bool ChatSession::run_tools(const Message& message) {
  for (const ToolCall& call : message.tool_calls) {
    const auto typed = reader_.read(call.name + " = ");
    if (!typed || typed->interrupted) {
      // As though it had been asked nothing: a call without an answer is no conversation.
      while (!messages_.empty() && messages_.back().role != "user") {
        messages_.pop_back();
      }
      return false;
    }
    messages_.push_back({.role = "tool", .content = typed->text, .tool_call_id = call.id, .name = call.name});
  }
  return true;
}

void ChatSession::save(const fs::path& file) const {
  if (holds_something_else(file)) {
    throw LMError(ErrorKind::invalid_argument,
                  fmt::format("{} is there already and is no conversation; give another name", file.string()));
  }
  const auto partial = fs::path(file.string() + ".tmp");
  std::ofstream stream(partial, std::ios::binary | std::ios::trunc);
  stream << nlohmann::ordered_json::parse(to_json(messages_)).dump(2) << "\n";
  stream.close();
  std::error_code error;
  if (stream) {
    fs::rename(partial, file, error);
  }
  if (!stream || error) {
    std::error_code ignored;
    fs::remove(partial, ignored);
    throw LMError(ErrorKind::io, fmt::format("cannot write {}: {}", file.string(),
                                             error ? error.message() : std::generic_category().message(errno)));
  }
}

void ChatSession::load(const fs::path& file) {
  auto loaded = parse_messages(read_text(file.string()));
  const auto before = std::exchange(messages_, std::move(loaded));
  try {
    if (messages_.back().role == "user" || messages_.back().role == "tool") {
      answer();
    }
  } catch (...) {
    messages_ = before;
    throw;
  }
}

}  // namespace dstorch::cli
