#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/throw.h"
#include "dstorch/chat.h"

namespace dstorch {
namespace {

constexpr auto kWrong = ErrorKind::invalid_argument;

/// A tool's answer, `calls` being what the assistant asked for before it.
void check_answer(const Message& answer, const Message* asked, std::size_t at) {
  require(asked != nullptr, kWrong,
          "message {}: a tool's answer must follow the assistant's message that calls the tool, or another such answer",
          at);
  if (answer.tool_call_id.empty()) {
    return;
  }
  std::vector<std::string> ids;
  for (const ToolCall& call : asked->tool_calls) {
    ids.push_back(call.id);
  }
  const bool named = std::any_of(ids.begin(), ids.end(), [](const std::string& id) { return !id.empty(); });
  require(!named || std::find(ids.begin(), ids.end(), answer.tool_call_id) != ids.end(), kWrong,
          "message {}: its tool_call_id \"{}\" must be that of a call before it: {}", at, answer.tool_call_id,
          fmt::join(ids, ", "));
}

void check_messages(std::span<const Message> messages) {
  require(!messages.empty(), kWrong, "a conversation needs at least one message");
  const Message* asked = nullptr;  // who called the tools that may answer now
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const Message& message = messages[i];
    require(!message.role.empty(), kWrong, "message {} must have a role: system, user, assistant or tool", i);
    if (message.role == "tool") {
      check_answer(message, asked, i);
    } else {
      asked = message.tool_calls.empty() ? nullptr : &message;
    }
  }
  require(messages.back().role != "assistant", kWrong,
          "message {}: the last message must be one to answer, a user's or a tool's; it is the assistant's own",
          messages.size() - 1);
}

}  // namespace

void check_conversation(std::span<const Message> messages, std::span<const Tool> tools) {
  check_messages(messages);
  check_tools(tools);
}

}  // namespace dstorch
