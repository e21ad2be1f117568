#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace dstorch::text::jinja {

/// What stands between the quotes of a literal, with Python's escapes read. `error` says what is wrong, or stays empty.
std::string unescape(std::string_view literal, std::string& error);

/// Bytes of the number with a fraction or an exponent that `text` begins with; 0 without one. `_` may part digits.
std::size_t real_length(std::string_view text);
/// Bytes of the whole number that `text` begins with: decimal, 0x, 0o or 0b.
std::size_t integer_length(std::string_view text);

}  // namespace dstorch::text::jinja
