#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "text/jinja/value.h"

namespace dstorch::text::jinja {

class Runtime;

/// Python's str(x).
std::string_view to_text(Runtime& runtime, const Value& value);
/// Appends Python's str(x).
void append_text(Runtime& runtime, const Value& value, std::string& out);
/// Appends Python's repr(x).
void append_repr(Runtime& runtime, const Value& value, std::string& out);
/// The shortest digits that read back as `value`, written as Python writes them.
std::string real_text(double value);

/// & < > " ' as HTML writes them.
std::string escape_html(std::string_view text);

/// Code points in valid UTF-8.
int64_t count_points(std::string_view text);
int64_t count_points(const Str& text);
/// The byte at which the code point number `index` of `text` begins; the end when there are fewer.
std::size_t byte_of_point(std::string_view text, int64_t index);

/// Python's str.isspace for one character.
bool is_python_space(char32_t c);

enum class Side { left, right, both };
/// Python's strip, lstrip and rstrip: of white space, or of the characters in `*chars`.
std::string_view strip(std::string_view text, const std::string_view* chars, Side side);

}  // namespace dstorch::text::jinja
