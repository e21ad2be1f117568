#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace dstorch::text {

/// What is written for bytes that are no UTF-8.
inline constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// One step of reading UTF-8 that may be broken.
struct Utf8Step {
  enum class Kind { valid, invalid, incomplete };
  /// `incomplete`: the text ends inside what could still become a character.
  Kind kind;
  /// Bytes of the character, or of the maximal ill-formed part (Unicode 15, section 3.9, table 3-8). At least 1.
  std::size_t length;
};

/// Looks at the first character of `text`, which must not be empty.
Utf8Step next_utf8(std::string_view text) noexcept;

[[nodiscard]] bool is_valid_utf8(std::string_view text) noexcept;

/// `text` with every maximal ill-formed part replaced by U+FFFD, as Python's `errors="replace"` does.
std::string replace_invalid_utf8(std::string_view text);

/// The character at `text[at]` and moves `at` past it. `text` must be valid UTF-8 and `at` the start of a character.
inline char32_t read_utf8(std::string_view text, std::size_t& at) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(text[i])); };
  const char32_t first = byte(at);
  if (first < 0x80) {
    at += 1;
    return first;
  }
  if (first < 0xE0) {
    const char32_t c = ((first & 0x1FU) << 6U) | (byte(at + 1) & 0x3FU);
    at += 2;
    return c;
  }
  if (first < 0xF0) {
    const char32_t c = ((first & 0x0FU) << 12U) | ((byte(at + 1) & 0x3FU) << 6U) | (byte(at + 2) & 0x3FU);
    at += 3;
    return c;
  }
  const char32_t c = ((first & 0x07U) << 18U) | ((byte(at + 1) & 0x3FU) << 12U) | ((byte(at + 2) & 0x3FU) << 6U) |
                     (byte(at + 3) & 0x3FU);
  at += 4;
  return c;
}

/// The start of the character that ends before `at` > 0, in valid UTF-8.
inline std::size_t previous_utf8(std::string_view text, std::size_t at) noexcept {
  do {
    --at;
  } while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U);
  return at;
}

/// Bytes of the character that begins with `first`, in valid UTF-8.
inline std::size_t utf8_length(char first) noexcept {
  const auto byte = static_cast<unsigned char>(first);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

/// `c` must be a Unicode scalar value.
void append_utf8(std::string& out, char32_t c);
std::string to_utf8(char32_t c);

/// Turns bytes that come in any portions into whole characters; what is no UTF-8 becomes U+FFFD.
class Utf8Assembler {
 public:
  /// Appends to `out` every character that `bytes` completes.
  void push(std::string_view bytes, std::string& out);
  /// Appends U+FFFD for an unfinished character and starts anew.
  void finish(std::string& out);

 private:
  std::string pending_;
};

}  // namespace dstorch::text
