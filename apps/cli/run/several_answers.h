#pragma once

#include <span>
#include <vector>

#include "dstorch/conversation.h"
#include "dstorch/generation.h"
#include "terminal.h"

namespace dstorch::cli {

/// Prints several answers to one prompt: their texts, a line --- between them, or with `json` one object with a list.
/// `line` is cleared. Throws `Interrupted` when one of them was cancelled.
void print_answers(std::span<const GenerationResult> answers, bool json, StatusLine& line);
void print_answers(std::span<const ChatResult> answers, bool json, StatusLine& line);

}  // namespace dstorch::cli
