#pragma once

#include <string>
#include <vector>

#include "arguments.h"

namespace dstorch::cli {

/// The texts that a command is given, or the lines of its file or of standard input. Throws LMError: invalid_argument
/// for an empty line, and what reading throws.
std::vector<std::string> texts_of(const TextsArguments& arguments);

}  // namespace dstorch::cli
