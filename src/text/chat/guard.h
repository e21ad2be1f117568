#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/json.h"
#include "dstorch/tokenizer.h"
#include "text/chat/chat_template.h"

namespace dstorch::text {

/// Puts a mark into every special token that a text in a template's messages, tools or documents spells, so that it can
/// be told from those that the template writes; whether there were any.
bool mark_special(OrderedJson& variables, std::span<const std::string> special);

/// A rendering without its marks, and where they were.
ChatPrompt take_marks(const std::string& rendering);

/// The texts that `tokenizer` turns into special tokens.
std::vector<std::string> special_tokens_of(const Tokenizer& tokenizer);

}  // namespace dstorch::text
