#pragma once

#include <nlohmann/json.hpp>

#include "dstorch/conversation.h"
#include "dstorch/generation.h"

namespace dstorch::cli {

/// What --json prints.
nlohmann::ordered_json to_json(const GenerationResult& result);
/// The same, with "content", "reasoning" and "tool_calls", these as a file of --messages has them.
nlohmann::ordered_json to_json(const ChatResult& result);

/// The speed of an answer, in one line; empty for one of less than two tokens.
std::string speed_of(const GenerationResult& result);

}  // namespace dstorch::cli
