#include "text/jinja/string_literal.h"

#include <cctype>
#include <charconv>

#include "text/utf8.h"

namespace dstorch::text::jinja {
namespace {

/// One literal on its way into text.
class Unescape {
 public:
  Unescape(std::string_view literal, std::string& error) : literal_(literal), error_(error) {}

  std::string run() {
    while (at_ < literal_.size() && error_.empty()) {
      if (literal_[at_] != '\\' || at_ + 1 == literal_.size()) {
        out_ += literal_[at_++];
      } else {
        ++at_;
        escape(literal_[at_++]);
      }
    }
    return std::move(out_);
  }

 private:
  void escape(char kind) {
    constexpr std::string_view kKinds = "\\'\"abfnrtv";
    constexpr std::string_view kMeanings = "\\'\"\a\b\f\n\r\t\v";
    const std::size_t simple = kKinds.find(kind);
    if (simple != std::string_view::npos) {
      out_ += kMeanings[simple];
    } else if (kind == 'x' || kind == 'u' || kind == 'U') {
      code_point(kind == 'x' ? 2 : kind == 'u' ? 4 : 8);
    } else if (kind >= '0' && kind <= '7') {
      octal();
    } else if (kind == 'N') {
      error_ = "characters cannot be named with \\N here: write \\u and its number";
    } else if (kind != '\n') {
      out_ += '\\';
      out_ += kind;
    }
  }

  bool read(std::size_t digits, uint32_t& code) {
    const std::string_view text = literal_.substr(at_, digits);
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), code, 16);
    if (text.size() != digits || parsed.ptr != text.data() + text.size()) {
      error_ = "an escape in a text has too few digits";
      return false;
    }
    at_ += digits;
    return true;
  }

  void code_point(std::size_t digits) {
    uint32_t code = 0;
    if (!read(digits, code)) {
      return;
    }
    uint32_t low = 0;
    if (code >= 0xD800 && code < 0xDC00 && literal_.substr(at_).starts_with("\\u")) {
      at_ += 2;
      if (!read(4, low)) {
        return;
      }
      code = low >= 0xDC00 && low < 0xE000 ? 0x10000 + ((code - 0xD800) << 10U) + (low - 0xDC00) : 0xD800;
    }
    if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
      error_ = "an escape in a text is no character";
      return;
    }
    append_utf8(out_, code);
  }

  // Up to three digits, the first of which was read.
  void octal() {
    uint32_t code = static_cast<uint32_t>(literal_[at_ - 1] - '0');
    for (int i = 0; i < 2 && at_ < literal_.size() && literal_[at_] >= '0' && literal_[at_] <= '7'; ++i) {
      code = code * 8 + static_cast<uint32_t>(literal_[at_++] - '0');
    }
    append_utf8(out_, code);
  }

  std::string_view literal_;
  std::string& error_;
  std::size_t at_ = 0;
  std::string out_;
};

bool is_decimal_digit(char c) { return c >= '0' && c <= '9'; }

// Digits from `at`, single `_` between them; the end.
template <typename IsDigit>
std::size_t digits_end(std::string_view text, std::size_t at, const IsDigit& is) {
  while (at < text.size() && (is(text[at]) || (text[at] == '_' && at + 1 < text.size() && is(text[at + 1])))) {
    ++at;
  }
  return at;
}

std::size_t decimal_end(std::string_view text, std::size_t at) {
  return at < text.size() && is_decimal_digit(text[at]) ? digits_end(text, at, is_decimal_digit) : at;
}

}  // namespace

std::string unescape(std::string_view literal, std::string& error) { return Unescape(literal, error).run(); }

std::size_t real_length(std::string_view text) {
  const std::size_t whole = decimal_end(text, 0);
  std::size_t end = whole;
  if (whole < text.size() && text[whole] == '.') {
    const std::size_t fraction = decimal_end(text, whole + 1);
    end = fraction > whole + 1 ? fraction : whole;
  }
  if (end < text.size() && (text[end] == 'e' || text[end] == 'E')) {
    const std::size_t sign = end + 1 < text.size() && (text[end + 1] == '+' || text[end + 1] == '-') ? 1 : 0;
    const std::size_t exponent = decimal_end(text, end + 1 + sign);
    end = exponent > end + 1 + sign ? exponent : end;
  }
  return end > whole ? end : 0;
}

std::size_t integer_length(std::string_view text) {
  const auto with_prefix = [&](const auto& is) {
    const std::size_t first = text.size() > 2 && text[2] == '_' ? 3 : 2;
    return first < text.size() && is(text[first]) ? digits_end(text, first, is) : 0;
  };
  if (text.size() > 2 && text[0] == '0') {
    const int kind = std::tolower(static_cast<unsigned char>(text[1]));
    const std::size_t length =
        kind == 'x'   ? with_prefix([](char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; })
        : kind == 'o' ? with_prefix([](char c) { return c >= '0' && c <= '7'; })
        : kind == 'b' ? with_prefix([](char c) { return c == '0' || c == '1'; })
                      : 0;
    if (length != 0) {
      return length;
    }
  }
  return text[0] == '0' ? digits_end(text, 0, [](char c) { return c == '0'; }) : decimal_end(text, 0);
}

}  // namespace dstorch::text::jinja
