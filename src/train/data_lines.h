#pragma once

#include <filesystem>
#include <functional>
#include <string_view>

namespace dstorch::training {

/// Calls read(line) for every line of `text` that is not blank. What is thrown as LMError there is collected: after the
/// last line, LMError{invalid_argument} lists the lines (the first twenty) with their numbers and what is wrong with
/// each. `path` names the text.
void read_data_lines(std::string_view text, const std::filesystem::path& path,
                     const std::function<void(std::string_view)>& read);

}  // namespace dstorch::training
