#pragma once

#include <string>
#include <string_view>

namespace dstorch::text::jinja {

/// Python's str methods of these names; the texts are valid UTF-8.
std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
std::string to_title(std::string_view text);
std::string capitalize(std::string_view text);
std::string swap_case(std::string_view text);
std::string case_fold(std::string_view text);
/// Of the first character alone.
std::string upper_first(std::string_view text);

/// Python's str.isalnum, isalpha, isdecimal, isdigit, isnumeric, isspace, isascii, islower, isupper, istitle and
/// isidentifier.
bool is_alphanumeric(std::string_view text);
bool is_alphabetic(std::string_view text);
bool is_decimal(std::string_view text);
bool is_digits(std::string_view text);
bool is_numeric(std::string_view text);
bool is_white_space(std::string_view text);
bool is_ascii(std::string_view text);
bool is_lower_case(std::string_view text);
bool is_upper_case(std::string_view text);
bool is_title_case(std::string_view text);
bool is_identifier(std::string_view text);

}  // namespace dstorch::text::jinja
