// Writing one value by a format specification.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>

#include "text/jinja/format.h"
#include "text/jinja/python_text.h"
#include "text/jinja/runtime.h"
#include "text/utf8.h"

namespace dstorch::text::jinja {
namespace {

using Type = Value::Type;

constexpr int64_t kMostPrecision = 500;

std::string pad(Runtime& runtime, const std::string& text, const FormatSpec& spec, char own_align) {
  const int64_t missing = spec.width - count_points(text);
  if (missing <= 0) {
    return text;
  }
  runtime.charge_text(static_cast<std::size_t>(missing) * spec.fill.size());
  const auto fill = [&](int64_t times) {
    std::string all;
    for (int64_t i = 0; i < times; ++i) {
      all += spec.fill;
    }
    return all;
  };
  switch (spec.align == 0 ? own_align : spec.align) {
    case '<':
      return text + fill(missing);
    case '^':
      return fill(missing / 2) + text + fill(missing - missing / 2);
    case '=': {
      const std::size_t sign = !text.empty() && (text[0] == '-' || text[0] == '+' || text[0] == ' ') ? 1 : 0;
      return text.substr(0, sign) + fill(missing) + text.substr(sign);
    }
    default:
      return fill(missing) + text;
  }
}

std::string grouped(std::string_view digits, char group, std::size_t every) {
  const std::size_t whole = std::min(digits.find_first_not_of("0123456789abcdefABCDEF"), digits.size());
  std::string out;
  for (std::size_t i = 0; i < whole; ++i) {
    if (i != 0 && (whole - i) % every == 0) {
      out += group;
    }
    out += digits[i];
  }
  return out + std::string(digits.substr(whole));
}

// The sign that a number shows; none is no characters.
std::string sign_of(bool negative, char sign) {
  const bool shown = negative || sign != '-';
  return std::string(shown ? 1 : 0, negative ? '-' : sign);
}

std::string whole_digits(Runtime& runtime, uint64_t magnitude, const FormatSpec& spec) {
  switch (spec.type) {
    case 0:
    case 'd':
    case 'i':
    case 'n':
    case 'u':
      return std::to_string(magnitude);
    case 'x':
      return fmt::format("{:x}", magnitude);
    case 'X':
      return fmt::format("{:X}", magnitude);
    case 'o':
      return fmt::format("{:o}", magnitude);
    case 'b':
      return fmt::format("{:b}", magnitude);
    default:
      runtime.fail("unknown format '{}' for a whole number", spec.type);
  }
}

std::string prefix_of(const FormatSpec& spec) {
  if (!spec.alternate || std::string_view("xXob").find(spec.type) == std::string_view::npos || spec.type == 0) {
    return {};
  }
  return std::string("0") + spec.type;
}

std::string real_digits(Runtime& runtime, double magnitude, const FormatSpec& spec) {
  const auto precision = static_cast<int>(std::min(spec.precision < 0 ? 6 : spec.precision, kMostPrecision));
  switch (spec.type) {
    case 'f':
    case 'F':
      return fmt::format("{:.{}f}", magnitude, precision);
    case 'e':
      return fmt::format("{:.{}e}", magnitude, precision);
    case 'E':
      return fmt::format("{:.{}E}", magnitude, precision);
    case 'g':
    case 'n':
      return fmt::format("{:.{}g}", magnitude, precision);
    case 'G':
      return fmt::format("{:.{}G}", magnitude, precision);
    case '%':
      return fmt::format("{:.{}f}%", magnitude * 100, precision);
    case 0: {
      if (spec.precision < 0) {
        return real_text(magnitude);
      }
      std::string digits = fmt::format("{:.{}g}", magnitude, std::max(precision, 1));
      const bool plain = digits.find_first_not_of("0123456789") == std::string::npos;
      return plain ? digits + ".0" : digits;
    }
    default:
      runtime.fail("unknown format '{}' for a number", spec.type);
  }
}

}  // namespace

std::string format_number(Runtime& runtime, const Value& value, const FormatSpec& spec) {
  const bool as_whole =
      value.is_int() && std::string_view("fFeEgG%").find(spec.type == 0 ? 'd' : spec.type) == std::string_view::npos;
  std::string digits;
  std::string prefix;
  bool negative = false;
  if (as_whole) {
    const int64_t number = value.as_int();
    negative = number < 0;
    digits = whole_digits(runtime, negative ? 0 - static_cast<uint64_t>(number) : static_cast<uint64_t>(number), spec);
    prefix = prefix_of(spec);
  } else {
    const double number = value.as_real();
    negative = std::signbit(number) && !std::isnan(number);
    digits = real_digits(runtime, std::abs(number), spec);
  }
  if (spec.group != 0) {
    digits = grouped(digits, spec.group, std::string_view("xXob").find(spec.type) < 4 && spec.type != 0 ? 4 : 3);
  }
  return pad(runtime, sign_of(negative, spec.sign) + prefix + digits, spec, '>');
}

std::string format_text(Runtime& runtime, std::string_view text, const FormatSpec& spec) {
  if (spec.precision >= 0) {
    text = text.substr(0, byte_of_point(text, spec.precision));
  }
  return pad(runtime, std::string(text), spec, '<');
}

namespace {

FormatSpec parse_spec(Runtime& runtime, std::string_view text) {
  FormatSpec spec;
  std::size_t at = 0;
  const auto peek = [&](std::size_t ahead = 0) { return at + ahead < text.size() ? text[at + ahead] : '\0'; };
  const auto is_align = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
  const auto number = [&] {
    int64_t value = 0;
    while (std::isdigit(static_cast<unsigned char>(peek())) != 0 && value < (int64_t{1} << 40)) {
      value = value * 10 + (text[at++] - '0');
    }
    return value;
  };
  const std::size_t first = text.empty() ? 0 : utf8_length(text[0]);
  if (!text.empty() && is_align(peek(first))) {
    spec.fill = std::string(text.substr(0, first));
    spec.align = text[first];
    at = first + 1;
  } else if (is_align(peek())) {
    spec.align = text[at++];
  }
  if (peek() == '+' || peek() == '-' || peek() == ' ') {
    spec.sign = text[at++];
  }
  if (peek() == '#') {
    spec.alternate = true;
    ++at;
  }
  if (peek() == '0') {
    ++at;
    if (spec.align == 0) {
      spec.fill.assign(1, '0');
      spec.align = '=';
    }
  }
  spec.width = number();
  if (peek() == ',' || peek() == '_') {
    spec.group = text[at++];
  }
  if (peek() == '.') {
    ++at;
    spec.precision = number();
  }
  spec.type = peek() == '\0' ? '\0' : text[at++];
  if (at != text.size()) {
    runtime.fail("'{}' is no format specification", text);
  }
  return spec;
}

}  // namespace

std::string format_value(Runtime& runtime, const Value& value, std::string_view spec_text) {
  if (spec_text.empty()) {
    return std::string(to_text(runtime, value));
  }
  const FormatSpec spec = parse_spec(runtime, spec_text);
  if (value.is_number() && !(value.is(Type::boolean) && spec.type == 0)) {
    return format_number(runtime, value, spec);
  }
  if (!value.is_string() && !value.is(Type::boolean)) {
    runtime.fail("{} takes no format specification", type_name(value));
  }
  if ((spec.type != 0 && spec.type != 's') || spec.align == '=') {
    runtime.fail("'{}' is no format specification for text", spec_text);
  }
  return format_text(runtime, to_text(runtime, value), spec);
}

}  // namespace dstorch::text::jinja
