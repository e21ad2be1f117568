#pragma once

#include <string>
#include <vector>

#include "text/constraint/network.h"

namespace dstorch::text::constraint {

/// A rule that begins with itself would have to be called without end before the first byte. Throws
/// LMError{unsupported} where one does, naming it by `names`, one for each rule.
void check_left_recursion(const Network& network, const std::vector<std::string>& names);

}  // namespace dstorch::text::constraint
