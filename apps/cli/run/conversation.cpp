#include "conversation.h"

#include <fmt/core.h>

#include "dstorch/error.h"
#include "generation_options.h"
#include "read_text.h"

namespace dstorch::cli {

ChatOptions chat_options(const TorchModel& model, const ConversationArguments& conversation,
                         const GenerationArguments& generation) {
  ChatOptions options;
  options.generation = with_defaults(generation, model.chat_defaults());
  options.prompt.variables = conversation.variables;
  if (!conversation.tools.empty()) {
    options.prompt.tools = parse_tools(read_text(conversation.tools));
  }
  return options;
}

std::vector<Message> system_messages(const ConversationArguments& conversation) {
  if (conversation.system.empty()) {
    return {};
  }
  return {{.role = "system", .content = conversation.system}};
}

void check_conversation(const TorchModel& model, const std::vector<Message>& messages, const ChatOptions& options) {
  try {
    dstorch::check_conversation(messages, options.prompt.tools);
    (void)model.chat_template()->render(messages, options.prompt);
  } catch (const LMError& e) {
    throw e.kind() == ErrorKind::invalid_argument ? LMError(ErrorKind::format, e.what()) : e;
  }
}

std::string shown_call(const ToolCall& call) { return fmt::format("{}({})", call.name, call.arguments); }

}  // namespace dstorch::cli
