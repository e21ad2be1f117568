#pragma once

#include <cstdint>
#include <string_view>

namespace dstorch::text {

/// Properties of a code point, as bits.
namespace unicode {
inline constexpr uint8_t kLetter = 1;          // L*
inline constexpr uint8_t kNumber = 2;          // N*
inline constexpr uint8_t kSpace = 4;           // White_Space
inline constexpr uint8_t kMark = 8;            // M*
inline constexpr uint8_t kPunctuation = 16;    // P*
inline constexpr uint8_t kUpper = 32;          // may be upper case in o200k's pattern: Lu, Lt, Lm, Lo, M
inline constexpr uint8_t kLower = 64;          // may be lower case in o200k's pattern: Ll, Lm, Lo, M
inline constexpr uint8_t kDecomposable = 128;  // has a canonical or compatible decomposition
}  // namespace unicode

/// The properties of all code points; the table is made on first use. Thread-safe.
class UnicodeTable {
 public:
  static const UnicodeTable& get();

  [[nodiscard]] uint8_t operator[](char32_t c) const noexcept { return pages_[page_of_[c >> 8U]][c & 0xFFU]; }

 private:
  UnicodeTable();

  static constexpr std::size_t kPages = 0x1100;
  uint16_t page_of_[kPages] = {};
  // Pages that are alike are kept once.
  uint8_t pages_[1024][256] = {};
};

/// White_Space, the same as Rust's `char::is_whitespace` and Oniguruma's `\s`.
inline bool is_space(char32_t c) { return (UnicodeTable::get()[c] & unicode::kSpace) != 0; }
inline bool is_mark(char32_t c) { return (UnicodeTable::get()[c] & unicode::kMark) != 0; }
inline bool is_number(char32_t c) { return (UnicodeTable::get()[c] & unicode::kNumber) != 0; }
/// ASCII punctuation and symbols, and the categories P*.
bool is_punctuation(char32_t c);
/// `\w` of Rust's regex: Alphabetic, M, Nd, Pc, Join_Control.
bool is_word(char32_t c);

}  // namespace dstorch::text
