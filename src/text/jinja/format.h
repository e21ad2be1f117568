#pragma once

#include <string>
#include <string_view>

#include "text/jinja/value.h"

namespace dstorch::text::jinja {

class Runtime;

/// Python's `text % values`.
Value format_percent(Runtime& runtime, const Value& text, const Value& values);
/// Python's `text.format(...)`; fields reach only what the template could reach itself.
Value format_braces(Runtime& runtime, const Value& text, const Args& args);
/// Python's format(value, spec).
std::string format_value(Runtime& runtime, const Value& value, std::string_view spec);

/// How one value is to be written, in both of Python's spellings.
struct FormatSpec {
  std::string fill = " ";
  /// '<', '>', '^', '=' or 0 for the type's own.
  char align = 0;
  /// '+', '-' or ' '.
  char sign = '-';
  bool alternate = false;
  bool zero = false;
  /// ',' or '_' between thousands, or 0.
  char group = 0;
  int64_t width = 0;
  /// -1: not given.
  int64_t precision = -1;
  /// 0: not given.
  char type = 0;
};

/// Appends sign, digits and padding of a number; throws for a type that numbers do not have.
std::string format_number(Runtime& runtime, const Value& value, const FormatSpec& spec);
/// `text` cut to the precision and padded to the width.
std::string format_text(Runtime& runtime, std::string_view text, const FormatSpec& spec);

}  // namespace dstorch::text::jinja
