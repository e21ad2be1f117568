#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/throw.h"
#include "text/constraint/char_class.h"
#include "text/utf8.h"

namespace dstorch::text::constraint {

/// Walks through the text of a pattern or a grammar, character by character.
class PatternReader {
 public:
  /// `what` names the text in errors: "the regular expression". Throws LMError{format} for invalid UTF-8.
  PatternReader(std::string_view text, std::string what) : text_(text), what_(std::move(what)) {
    require(is_valid_utf8(text), ErrorKind::format, "{} must be UTF-8", what_);
  }

  [[nodiscard]] bool done() const noexcept { return at_ == text_.size(); }
  [[nodiscard]] char peek(std::size_t ahead = 0) const noexcept {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  [[nodiscard]] bool starts_with(std::string_view word) const noexcept { return text_.substr(at_).starts_with(word); }
  bool take(std::string_view word) noexcept {
    if (word.empty() || !starts_with(word)) {
      return false;
    }
    at_ += word.size();
    return true;
  }
  void expect(std::string_view word) {
    if (!take(word)) {
      fail_here("\"" + std::string(word) + "\" is missing");
    }
  }
  /// The next character. Throws LMError{format} at the end.
  char32_t next() {
    if (done()) {
      fail_here("it ends too early");
    }
    return read_utf8(text_, at_);
  }
  /// `count` hexadecimal digits, or as many as there are up to 6 when it is 0.
  char32_t hex(int count) {
    uint32_t value = 0;
    int read = 0;
    for (; read < (count == 0 ? 6 : count); ++read) {
      const int digit = hex_digit(peek());
      if (digit < 0) {
        break;
      }
      value = value * 16 + static_cast<uint32_t>(digit);
      ++at_;
    }
    if (read == 0 || read < count || value > kLastCodePoint || (value >= 0xD800 && value <= 0xDFFF)) {
      fail_here("the code of a character is missing, or is none");
    }
    return value;
  }
  /// A decimal number below 10^9, if one is here.
  std::optional<int64_t> number() {
    int64_t value = 0;
    std::size_t digits = 0;
    for (; peek() >= '0' && peek() <= '9'; ++at_, ++digits) {
      value = value * 10 + (peek() - '0');
      if (value >= 1'000'000'000) {
        fail_here("a count is too large");
      }
    }
    return digits == 0 ? std::nullopt : std::optional(value);
  }

  [[nodiscard]] std::size_t at() const noexcept { return at_; }
  void go_back_to(std::size_t at) noexcept { at_ = at; }
  [[nodiscard]] std::string_view from(std::size_t begin) const noexcept { return text_.substr(begin, at_ - begin); }
  [[nodiscard]] const std::string& what() const noexcept { return what_; }

  [[noreturn]] void fail_here(const std::string& problem) const {
    fail(ErrorKind::format, "{}: {}, at byte {}: \"{}\"", what_, problem, at_, excerpt());
  }
  [[noreturn]] void unsupported_here(const std::string& problem) const {
    fail(ErrorKind::unsupported, "{}: {}, at byte {}: \"{}\"", what_, problem, at_, excerpt());
  }

 private:
  static int hex_digit(char c) noexcept {
    if (c >= '0' && c <= '9') {
      return c - '0';
    }
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
  }
  /// What is there, cut between characters.
  [[nodiscard]] std::string_view excerpt() const noexcept {
    std::size_t end = std::min(text_.size(), at_ + 24);
    while (end < text_.size() && (static_cast<unsigned char>(text_[end]) & 0xC0U) == 0x80U) {
      ++end;
    }
    return text_.substr(at_, end - at_);
  }

  std::string_view text_;
  std::string what_;
  std::size_t at_ = 0;
};

}  // namespace dstorch::text::constraint
