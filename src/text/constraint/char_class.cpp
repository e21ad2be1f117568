#include "text/constraint/char_class.h"

#include <algorithm>
#include <array>

namespace dstorch::text::constraint {
namespace {

constexpr char32_t kFirstSurrogate = 0xD800;
constexpr char32_t kLastSurrogate = 0xDFFF;

// The last code point of each length in UTF-8.
constexpr std::array<char32_t, 4> kLastOfLength = {0x7F, 0x7FF, 0xFFFF, kLastCodePoint};

uint8_t continuation(char32_t c, int from_end) {
  return static_cast<uint8_t>(0x80U | ((static_cast<uint32_t>(c) >> (6U * static_cast<uint32_t>(from_end))) & 0x3FU));
}

// Of one length in UTF-8, `length` bytes.
std::vector<ByteRange> bytes_between(char32_t first, char32_t last, int length) {
  if (length == 1) {
    return {{static_cast<uint8_t>(first), static_cast<uint8_t>(last)}};
  }
  constexpr std::array<uint32_t, 5> kLead = {0, 0, 0xC0, 0xE0, 0xF0};
  const auto shift = 6U * static_cast<uint32_t>(length - 1);
  std::vector<ByteRange> bytes = {
      {static_cast<uint8_t>(kLead[static_cast<std::size_t>(length)] | (static_cast<uint32_t>(first) >> shift)),
       static_cast<uint8_t>(kLead[static_cast<std::size_t>(length)] | (static_cast<uint32_t>(last) >> shift))}};
  for (int i = length - 2; i >= 0; --i) {
    bytes.push_back({continuation(first, i), continuation(last, i)});
  }
  return bytes;
}

// Cuts the range until every byte may be chosen by itself: a byte but the last may differ only where all after it are
// whole.
void split(char32_t first, char32_t last, int length, std::vector<std::vector<ByteRange>>& out) {
  for (int i = 1; i < length; ++i) {
    const char32_t mask = (char32_t{1} << (6U * static_cast<uint32_t>(i))) - 1;
    if ((first & ~mask) == (last & ~mask)) {
      continue;
    }
    if ((first & mask) != 0) {
      split(first, first | mask, length, out);
      split((first | mask) + 1, last, length, out);
      return;
    }
    if ((last & mask) != mask) {
      split(first, (last & ~mask) - 1, length, out);
      split(last & ~mask, last, length, out);
      return;
    }
  }
  out.push_back(bytes_between(first, last, length));
}

}  // namespace

CharClass make_class(std::vector<CodeRange> ranges) {
  std::sort(ranges.begin(), ranges.end());
  CharClass merged;
  for (const auto& range : ranges) {
    if (!merged.empty() && range.first <= merged.back().last + 1) {
      merged.back().last = std::max(merged.back().last, range.last);
    } else {
      merged.push_back(range);
    }
  }
  return merged;
}

CharClass any_char() { return {{0, kFirstSurrogate - 1}, {kLastSurrogate + 1, kLastCodePoint}}; }

CharClass negate(const CharClass& chars) {
  CharClass gaps;
  char32_t next = 0;
  for (const auto& range : chars) {
    if (range.first > next) {
      gaps.push_back({next, range.first - 1});
    }
    next = range.last + 1;
  }
  if (next <= kLastCodePoint) {
    gaps.push_back({next, kLastCodePoint});
  }
  return intersect(gaps, any_char());
}

CharClass intersect(const CharClass& a, const CharClass& b) {
  CharClass common;
  for (std::size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    const auto first = std::max(a[i].first, b[j].first);
    const auto last = std::min(a[i].last, b[j].last);
    if (first <= last) {
      common.push_back({first, last});
    }
    if (a[i].last < b[j].last) {
      ++i;
    } else {
      ++j;
    }
  }
  return common;
}

bool contains(const CharClass& chars, char32_t c) {
  return std::any_of(chars.begin(), chars.end(),
                     [c](const auto& range) { return range.first <= c && c <= range.last; });
}

std::vector<std::vector<ByteRange>> utf8_sequences(const CharClass& chars) {
  std::vector<std::vector<ByteRange>> sequences;
  for (const auto& range : intersect(chars, any_char())) {
    char32_t first = range.first;
    for (int length = 1; length <= 4 && first <= range.last; ++length) {
      const char32_t last = std::min(range.last, kLastOfLength[static_cast<std::size_t>(length - 1)]);
      if (first <= last) {
        split(first, last, length, sequences);
        first = last + 1;
      }
    }
  }
  return sequences;
}

}  // namespace dstorch::text::constraint
