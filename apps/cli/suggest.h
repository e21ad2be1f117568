#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dstorch::cli {

/// The one of `known` that `word` was most likely meant to be: the nearest by letters left out, put in, changed or
/// swapped (Damerau 1964), or one that begins with it. Empty when none is near.
std::string suggestion(std::string_view word, const std::vector<std::string>& known);

/// `; did you mean X?`, or nothing.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known);

}  // namespace dstorch::cli
