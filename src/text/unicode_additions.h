#pragma once

// Made by tools/make_unicode_additions.py.

#include "text/unicode.h"

namespace dstorch::text::unicode {

/// Code points [first, last] that Unicode got after version 14.
struct Addition {
  char32_t first;
  char32_t last;
  uint8_t bits;
};

inline constexpr Addition kAdditions[] = {
    {0x0897, 0x0897, kMark | kUpper | kLower},
    {0x0CF3, 0x0CF3, kMark | kUpper | kLower},
    {0x0ECE, 0x0ECE, kMark | kUpper | kLower},
    {0x1C89, 0x1C89, kLetter | kUpper},
    {0x1C8A, 0x1C8A, kLetter | kLower},
    {0xA7CB, 0xA7CC, kLetter | kUpper},
    {0xA7CD, 0xA7CD, kLetter | kLower},
    {0xA7DA, 0xA7DA, kLetter | kUpper},
    {0xA7DB, 0xA7DB, kLetter | kLower},
    {0xA7DC, 0xA7DC, kLetter | kUpper},
    {0x105C0, 0x105F3, kLetter | kUpper | kLower},
    {0x10D40, 0x10D49, kNumber},
    {0x10D4A, 0x10D4F, kLetter | kUpper | kLower},
    {0x10D50, 0x10D65, kLetter | kUpper},
    {0x10D69, 0x10D6D, kMark | kUpper | kLower},
    {0x10D6F, 0x10D6F, kLetter | kUpper | kLower},
    {0x10D70, 0x10D85, kLetter | kLower},
    {0x10EC2, 0x10EC4, kLetter | kUpper | kLower},
    {0x10EFC, 0x10EFF, kMark | kUpper | kLower},
    {0x1123F, 0x11240, kLetter | kUpper | kLower},
    {0x11241, 0x11241, kMark | kUpper | kLower},
    {0x11380, 0x11389, kLetter | kUpper | kLower},
    {0x1138B, 0x1138B, kLetter | kUpper | kLower},
    {0x1138E, 0x1138E, kLetter | kUpper | kLower},
    {0x11390, 0x113B5, kLetter | kUpper | kLower},
    {0x113B7, 0x113B7, kLetter | kUpper | kLower},
    {0x113B8, 0x113C0, kMark | kUpper | kLower},
    {0x113C2, 0x113C2, kMark | kUpper | kLower},
    {0x113C5, 0x113C5, kMark | kUpper | kLower},
    {0x113C7, 0x113CA, kMark | kUpper | kLower},
    {0x113CC, 0x113D0, kMark | kUpper | kLower},
    {0x113D1, 0x113D1, kLetter | kUpper | kLower},
    {0x113D2, 0x113D2, kMark | kUpper | kLower},
    {0x113D3, 0x113D3, kLetter | kUpper | kLower},
    {0x113E1, 0x113E2, kMark | kUpper | kLower},
    {0x116D0, 0x116E3, kNumber},
    {0x11BC0, 0x11BE0, kLetter | kUpper | kLower},
    {0x11BF0, 0x11BF9, kNumber},
    {0x11F00, 0x11F01, kMark | kUpper | kLower},
    {0x11F02, 0x11F02, kLetter | kUpper | kLower},
    {0x11F03, 0x11F03, kMark | kUpper | kLower},
    {0x11F04, 0x11F10, kLetter | kUpper | kLower},
    {0x11F12, 0x11F33, kLetter | kUpper | kLower},
    {0x11F34, 0x11F3A, kMark | kUpper | kLower},
    {0x11F3E, 0x11F42, kMark | kUpper | kLower},
    {0x11F50, 0x11F59, kNumber},
    {0x11F5A, 0x11F5A, kMark | kUpper | kLower},
    {0x1342F, 0x1342F, kLetter | kUpper | kLower},
    {0x13440, 0x13440, kMark | kUpper | kLower},
    {0x13441, 0x13446, kLetter | kUpper | kLower},
    {0x13447, 0x13455, kMark | kUpper | kLower},
    {0x13460, 0x143FA, kLetter | kUpper | kLower},
    {0x16100, 0x1611D, kLetter | kUpper | kLower},
    {0x1611E, 0x1612F, kMark | kUpper | kLower},
    {0x16130, 0x16139, kNumber},
    {0x16D40, 0x16D6C, kLetter | kUpper | kLower},
    {0x16D70, 0x16D79, kNumber},
    {0x18CFF, 0x18CFF, kLetter | kUpper | kLower},
    {0x1B132, 0x1B132, kLetter | kUpper | kLower},
    {0x1B155, 0x1B155, kLetter | kUpper | kLower},
    {0x1CCF0, 0x1CCF9, kNumber},
    {0x1D2C0, 0x1D2D3, kNumber},
    {0x1DF25, 0x1DF2A, kLetter | kLower},
    {0x1E030, 0x1E06D, kLetter | kUpper | kLower},
    {0x1E08F, 0x1E08F, kMark | kUpper | kLower},
    {0x1E4D0, 0x1E4EB, kLetter | kUpper | kLower},
    {0x1E4EC, 0x1E4EF, kMark | kUpper | kLower},
    {0x1E4F0, 0x1E4F9, kNumber},
    {0x1E5D0, 0x1E5ED, kLetter | kUpper | kLower},
    {0x1E5EE, 0x1E5EF, kMark | kUpper | kLower},
    {0x1E5F0, 0x1E5F0, kLetter | kUpper | kLower},
    {0x1E5F1, 0x1E5FA, kNumber},
    {0x2B739, 0x2B739, kLetter | kUpper | kLower},
    {0x2EBF0, 0x2EE5D, kLetter | kUpper | kLower},
    {0x31350, 0x323AF, kLetter | kUpper | kLower},
};

}  // namespace dstorch::text::unicode
