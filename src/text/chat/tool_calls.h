#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "dstorch/chat.h"

namespace dstorch::text {

/// What stands between a format's marks, or is the whole of an answer, as calls; nothing where it is no call.
std::optional<std::vector<ToolCall>> read_calls(std::string_view text, ToolCallFormat format);

}  // namespace dstorch::text
