#include "text/jinja/text_case.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <utility>

#include "text/jinja/python_text.h"
#include "text/jinja/special_casing.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace dstorch::text::jinja {
namespace {

using Simple = utf8proc_int32_t (*)(utf8proc_int32_t);

template <std::size_t Size>
void append_cased(std::string& out, char32_t c, Simple simple, const SpecialCase (&special)[Size]) {
  const auto found = std::lower_bound(std::begin(special), std::end(special), c,
                                      [](const SpecialCase& entry, char32_t code) { return entry.from < code; });
  if (found != std::end(special) && found->from == c) {
    for (const char32_t* part = found->to; *part != 0; ++part) {
      append_utf8(out, *part);
    }
  } else {
    append_utf8(out, static_cast<char32_t>(simple(static_cast<utf8proc_int32_t>(c))));
  }
}

void append_upper(std::string& out, char32_t c) { append_cased(out, c, utf8proc_toupper, kUpper); }
void append_title(std::string& out, char32_t c) { append_cased(out, c, utf8proc_totitle, kTitle); }

bool is_cased(char32_t c) {
  const auto code = static_cast<utf8proc_int32_t>(c);
  const auto category = utf8proc_category(code);
  return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LL || category == UTF8PROC_CATEGORY_LT ||
         utf8proc_toupper(code) != code || utf8proc_tolower(code) != code;
}

// Sigma is written in another way at the end of a word.
bool ends_word(std::string_view text, std::size_t begin, std::size_t end) {
  const bool after = begin > 0 && [&] {
    std::size_t at = previous_utf8(text, begin);
    return is_cased(read_utf8(text, at));
  }();
  return after && (end == text.size() || !is_cased(read_utf8(text, end)));
}

void append_lower(std::string& out, std::string_view text, std::size_t& at) {
  constexpr char32_t kDottedI = 0x130;
  constexpr char32_t kSigma = 0x3A3;
  constexpr char32_t kFinalSigma = 0x3C2;
  const std::size_t begin = at;
  const char32_t c = read_utf8(text, at);
  if (c == kDottedI) {
    out += "i\u0307";
  } else if (c == kSigma && ends_word(text, begin, at)) {
    append_utf8(out, kFinalSigma);
  } else {
    append_utf8(out, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
  }
}

bool is_upper(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)) == UTF8PROC_CATEGORY_LU; }
bool is_lower(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)) == UTF8PROC_CATEGORY_LL; }
bool is_alpha(char32_t c) { return (UnicodeTable::get()[c] & unicode::kLetter) != 0; }
bool is_decimal_digit(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c)) == UTF8PROC_CATEGORY_ND;
}
// Superscripts and circled digits are digits too.
bool is_digit(char32_t c) {
  return is_decimal_digit(c) || c == 0xB2 || c == 0xB3 || c == 0xB9 || c == 0x2070 || (c >= 0x2074 && c <= 0x2079) ||
         (c >= 0x2080 && c <= 0x2089) || (c >= 0x2460 && c <= 0x2468);
}
bool is_alnum(char32_t c) { return is_alpha(c) || is_number(c); }

// Not empty, and every character is of the kind.
template <bool (*Is)(char32_t)>
bool all(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    if (!Is(read_utf8(text, at))) {
      return false;
    }
  }
  return !text.empty();
}

// At least one character is of the one kind, none is of the other.
template <bool (*Is)(char32_t), bool (*Not)(char32_t)>
bool only(std::string_view text) {
  bool some = false;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = read_utf8(text, at);
    if (Not(c)) {
      return false;
    }
    some = some || Is(c);
  }
  return some;
}

}  // namespace

std::string to_upper(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    append_upper(out, read_utf8(text, at));
  }
  return out;
}

std::string to_lower(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    append_lower(out, text, at);
  }
  return out;
}

std::string to_title(std::string_view text) {
  std::string out;
  bool inside = false;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t next = at;
    const char32_t c = read_utf8(text, next);
    if (inside) {
      append_lower(out, text, at);
    } else {
      append_title(out, c);
      at = next;
    }
    inside = is_cased(c);
  }
  return out;
}

std::string capitalize(std::string_view text) {
  if (text.empty()) {
    return {};
  }
  std::string out;
  std::size_t at = 0;
  append_title(out, read_utf8(text, at));
  while (at < text.size()) {
    append_lower(out, text, at);
  }
  return out;
}

std::string upper_first(std::string_view text) {
  std::size_t at = 0;
  std::string out;
  append_upper(out, read_utf8(text, at));
  return out + to_lower(text.substr(at));
}

std::string swap_case(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t next = at;
    const char32_t c = read_utf8(text, next);
    if (is_upper(c)) {
      append_lower(out, text, at);
    } else {
      is_lower(c) ? append_upper(out, c) : append_utf8(out, c);
      at = next;
    }
  }
  return out;
}

std::string case_fold(std::string_view text) {
  utf8proc_uint8_t* folded = nullptr;
  const auto size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                 static_cast<utf8proc_ssize_t>(text.size()), &folded, UTF8PROC_CASEFOLD);
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(folded, &std::free);
  return size < 0 ? std::string(text)
                  : std::string(reinterpret_cast<const char*>(folded), static_cast<std::size_t>(size));
}

bool is_alphanumeric(std::string_view text) { return all<is_alnum>(text); }
bool is_alphabetic(std::string_view text) { return all<is_alpha>(text); }
bool is_decimal(std::string_view text) { return all<is_decimal_digit>(text); }
bool is_digits(std::string_view text) { return all<is_digit>(text); }
bool is_numeric(std::string_view text) { return all<is_number>(text); }
bool is_white_space(std::string_view text) { return all<is_python_space>(text); }
bool is_lower_case(std::string_view text) { return only<is_lower, is_upper>(text); }
bool is_upper_case(std::string_view text) { return only<is_upper, is_lower>(text); }

bool is_ascii(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

bool is_title_case(std::string_view text) {
  bool some = false;
  bool inside = false;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = read_utf8(text, at);
    if ((is_upper(c) && inside) || (is_lower(c) && !inside)) {
      return false;
    }
    inside = is_upper(c) || is_lower(c);
    some = some || inside;
  }
  return some;
}

bool is_identifier(std::string_view text) {
  bool first = true;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = read_utf8(text, at);
    if (!is_alpha(c) && c != '_' && (first || !is_word(c))) {
      return false;
    }
    first = false;
  }
  return !text.empty();
}

}  // namespace dstorch::text::jinja
