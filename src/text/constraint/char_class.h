#pragma once

#include <cstdint>
#include <vector>

namespace dstorch::text::constraint {

/// Code points from `first` to `last`, both included.
struct CodeRange {
  char32_t first = 0;
  char32_t last = 0;
  bool operator==(const CodeRange&) const = default;
  auto operator<=>(const CodeRange&) const = default;  // NOLINT(modernize-use-nullptr)
};

/// A set of code points: sorted ranges that neither touch nor overlap.
using CharClass = std::vector<CodeRange>;

inline constexpr char32_t kLastCodePoint = 0x10FFFF;
/// Stand in expressions for the beginning and the end of the text, where a pattern says `^` and `$`.
inline constexpr char32_t kTextBegin = 0x110000;
inline constexpr char32_t kTextEnd = 0x110001;

/// Ranges in any order, overlapping or not, as a class.
CharClass make_class(std::vector<CodeRange> ranges);
/// All characters of Unicode: every code point but the surrogates.
CharClass any_char();
/// The characters that are not in `chars`.
CharClass negate(const CharClass& chars);
CharClass intersect(const CharClass& a, const CharClass& b);
bool contains(const CharClass& chars, char32_t c);

/// Bytes from `first` to `last`.
struct ByteRange {
  uint8_t first = 0;
  uint8_t last = 0;
  auto operator<=>(const ByteRange&) const = default;  // NOLINT(modernize-use-nullptr)
};

/// The UTF-8 forms of the characters of `chars`: each sequence stands for all bytes within its ranges, and each
/// character has just one sequence.
std::vector<std::vector<ByteRange>> utf8_sequences(const CharClass& chars);

}  // namespace dstorch::text::constraint
