#pragma once

#include <string>

#include "chat_session.h"

namespace dstorch::cli {

/// What a line of somebody's asks the program for: `/help`, `/system TEXT`, ... False when it asks to end. Throws
/// LMError{invalid_argument} for a command that there is not.
bool run_chat_command(const std::string& line, ChatSession& session);

}  // namespace dstorch::cli
