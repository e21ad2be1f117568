#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dstorch::text::jinja {

class Runtime;

/// Python's split and rsplit, at most `most` times unless it is negative.
std::vector<std::string_view> split_on(std::string_view text, std::string_view separator, int64_t most,
                                       bool from_right);
std::vector<std::string_view> split_on_space(std::string_view text, int64_t most, bool from_right);

/// Python's splitlines.
std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends);

/// Python's replace, at most `most` times unless it is negative.
std::string replace_all(Runtime& runtime, std::string_view text, std::string_view old, std::string_view with,
                        int64_t most);

}  // namespace dstorch::text::jinja
