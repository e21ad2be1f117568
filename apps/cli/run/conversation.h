#pragma once

#include <string>
#include <vector>

#include "arguments.h"
#include "dstorch/torch_model.h"

namespace dstorch::cli {

/// How a conversation of `model` is written and answered; what is said nowhere is as its makers chose. Throws LMError.
ChatOptions chat_options(const TorchModel& model, const ConversationArguments& conversation,
                         const GenerationArguments& generation);

/// The message of --system, if there is one.
std::vector<Message> system_messages(const ConversationArguments& conversation);

/// Throws LMError{format} where `messages` is no conversation that the model's template takes: the command was used
/// rightly all the same.
void check_conversation(const TorchModel& model, const std::vector<Message>& messages, const ChatOptions& options);

/// `name({"x": 1})`
std::string shown_call(const ToolCall& call);

}  // namespace dstorch::cli
