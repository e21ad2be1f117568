#include "text/unicode.h"

#include <utf8proc.h>

#include <array>
#include <cstring>
#include <iterator>
#include <map>
#include <string>

#include "text/unicode_additions.h"

namespace dstorch::text {
namespace {

uint8_t properties_of(char32_t c) {
  const utf8proc_property_t* property = utf8proc_get_property(static_cast<utf8proc_int32_t>(c));
  uint8_t bits = 0;
  switch (property->category) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LT:
      bits = unicode::kLetter | unicode::kUpper;
      break;
    case UTF8PROC_CATEGORY_LL:
      bits = unicode::kLetter | unicode::kLower;
      break;
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      bits = unicode::kLetter | unicode::kUpper | unicode::kLower;
      break;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
      bits = unicode::kMark | unicode::kUpper | unicode::kLower;
      break;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      bits = unicode::kNumber;
      break;
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
      bits = unicode::kPunctuation;
      break;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      bits = unicode::kSpace;
      break;
    default:
      break;
  }
  if ((c >= 0x09 && c <= 0x0D) || c == 0x85) {
    bits |= unicode::kSpace;
  }
  if (property->decomp_seqindex != UINT16_MAX) {
    bits |= unicode::kDecomposable;
  }
  return bits;
}

// Alphabetic beyond letters, numbers and marks: the circled and squared Latin letters.
bool is_alphabetic_symbol(char32_t c) {
  return (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) ||
         (c >= 0x1F170 && c <= 0x1F189);
}

}  // namespace

UnicodeTable::UnicodeTable() {
  // utf8proc may be older than the text.
  const auto* addition = std::begin(unicode::kAdditions);
  std::map<std::string, uint16_t> known;
  std::array<uint8_t, 256> page{};
  for (std::size_t index = 0; index < kPages; ++index) {
    // The planes 4 to 13 hold nothing yet; 15 and 16 are for private use.
    const bool empty_plane = index >= 0x400 && (index < 0xE00 || index >= 0xF00);
    for (std::size_t low = 0; low < 256; ++low) {
      const auto c = static_cast<char32_t>(index * 256 + low);
      while (addition != std::end(unicode::kAdditions) && addition->last < c) {
        ++addition;
      }
      const bool added = addition != std::end(unicode::kAdditions) && addition->first <= c;
      page[low] = added ? addition->bits : empty_plane ? uint8_t{0} : properties_of(c);
    }
    std::string key(reinterpret_cast<const char*>(page.data()), page.size());
    const auto [entry, is_new] = known.emplace(std::move(key), static_cast<uint16_t>(known.size()));
    if (is_new) {
      std::memcpy(pages_[entry->second], page.data(), page.size());
    }
    page_of_[index] = entry->second;
  }
}

const UnicodeTable& UnicodeTable::get() {
  static const UnicodeTable table;
  return table;
}

bool is_punctuation(char32_t c) {
  if (c < 0x80) {
    return (c >= 0x21 && c <= 0x2F) || (c >= 0x3A && c <= 0x40) || (c >= 0x5B && c <= 0x60) || (c >= 0x7B && c <= 0x7E);
  }
  return (UnicodeTable::get()[c] & unicode::kPunctuation) != 0;
}

bool is_word(char32_t c) {
  const uint8_t bits = UnicodeTable::get()[c];
  if ((bits & (unicode::kLetter | unicode::kMark)) != 0) {
    return true;
  }
  if ((bits & unicode::kNumber) != 0) {
    // Nl is Alphabetic, Nd a digit; No (superscripts, fractions) is neither.
    return utf8proc_category(static_cast<utf8proc_int32_t>(c)) != UTF8PROC_CATEGORY_NO;
  }
  if ((bits & unicode::kPunctuation) != 0) {
    return utf8proc_category(static_cast<utf8proc_int32_t>(c)) == UTF8PROC_CATEGORY_PC;
  }
  return c == 0x200C || c == 0x200D || is_alphabetic_symbol(c);
}

}  // namespace dstorch::text
