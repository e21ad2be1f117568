#pragma once

#include <string>

#include "dstorch/error.h"

namespace dstorch::driver {

/// In a catch block: throws what was caught as an LMError that says `phrase`, one of the framework's, and the root
/// cause. A wrong option keeps its own words, since nothing failed. `otherwise` is the kind of what is no LMError.
[[noreturn]] void rethrow_as(const std::string& phrase, ErrorKind otherwise);

}  // namespace dstorch::driver
