#include "text/jinja/numbers.h"

#include <cctype>
#include <charconv>
#include <limits>
#include <string>

#include "text/jinja/python_text.h"
#include "text/jinja/text_case.h"

namespace dstorch::text::jinja {
namespace {

// Without the `_` between digits; nothing where one stands elsewhere.
std::optional<std::string> without_underscores(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto digit = [&](std::size_t at) {
      return at < text.size() && std::isalnum(static_cast<unsigned char>(text[at])) != 0;
    };
    if (text[i] != '_') {
      out += text[i];
    } else if (i == 0 || !digit(i - 1) || !digit(i + 1)) {
      return std::nullopt;
    }
  }
  return out;
}

int64_t prefix_base(std::string_view digits) {
  if (digits.size() < 2 || digits[0] != '0') {
    return 0;
  }
  switch (std::tolower(static_cast<unsigned char>(digits[1]))) {
    case 'x':
      return 16;
    case 'o':
      return 8;
    case 'b':
      return 2;
    default:
      return 0;
  }
}

}  // namespace

std::optional<int64_t> parse_whole(std::string_view text, int64_t base) {
  const auto plain = without_underscores(strip(text, nullptr, Side::both));
  if (!plain || (base != 0 && (base < 2 || base > 36))) {
    return std::nullopt;
  }
  std::string_view digits = *plain;
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) {
    digits.remove_prefix(1);
  }
  const int64_t prefix = prefix_base(digits);
  if (prefix != 0 && (base == 0 || base == prefix)) {
    digits.remove_prefix(2);
    base = prefix;
  } else if (base == 0) {
    base = 10;
  }
  uint64_t magnitude = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), magnitude, static_cast<int>(base));
  if (digits.empty() || parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size() ||
      magnitude > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return std::nullopt;
  }
  return negative ? -static_cast<int64_t>(magnitude) : static_cast<int64_t>(magnitude);
}

std::optional<double> parse_real(std::string_view text) {
  const auto plain = without_underscores(strip(text, nullptr, Side::both));
  if (!plain) {
    return std::nullopt;
  }
  std::string_view digits = *plain;
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) {
    digits.remove_prefix(1);
  }
  if (digits.empty() || digits[0] == '-' || digits[0] == '+') {
    return std::nullopt;
  }
  const std::string lower = to_lower(digits);
  double value = 0;
  if (lower == "inf" || lower == "infinity") {
    value = std::numeric_limits<double>::infinity();
  } else if (lower == "nan") {
    value = std::numeric_limits<double>::quiet_NaN();
  } else {
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (parsed.ec == std::errc::result_out_of_range) {
      value = std::numeric_limits<double>::infinity();
    } else if (parsed.ec != std::errc() || std::isalpha(static_cast<unsigned char>(digits[0])) != 0) {
      return std::nullopt;
    }
    if (parsed.ptr != digits.data() + digits.size()) {
      return std::nullopt;
    }
  }
  return negative ? -value : value;
}

}  // namespace dstorch::text::jinja
