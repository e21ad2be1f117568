#include "text/unicode_forms.h"

#include <utf8proc.h>

#include <vector>

#include "core/throw.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace dstorch::text {
namespace {

constexpr char32_t kFirstHangul = 0xAC00;
constexpr char32_t kLastHangul = 0xD7A3;

// A character that no form changes and that nothing before it combines with: text may be cut in front of it. Those
// that decompose may still be in the form; they are only slower.
bool is_stable(char32_t c, bool composed, const UnicodeTable& table) {
  if (c < 0xA0) {
    return true;
  }
  if ((table[c] & (unicode::kMark | unicode::kDecomposable)) != 0) {
    return false;
  }
  const bool jamo = c >= 0x1160 && c <= 0x11FF;
  const bool hangul = c >= kFirstHangul && c <= kLastHangul;
  return !jamo && (composed || !hangul);
}

utf8proc_option_t options_of(UnicodeForm form) {
  switch (form) {
    case UnicodeForm::nfc:
      return static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    case UnicodeForm::nfd:
      return static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE);
    case UnicodeForm::nfkc:
      return static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT);
    case UnicodeForm::nfkd:
      break;
  }
  return static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT);
}

// One stretch between two places where the text may be cut.
void append_form(std::string& out, std::string_view text, utf8proc_option_t options,
                 std::vector<utf8proc_int32_t>& points) {
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  const auto length = static_cast<utf8proc_ssize_t>(text.size());
  const auto decompose = [&] {
    return utf8proc_decompose(bytes, length, points.data(), static_cast<utf8proc_ssize_t>(points.size()), options);
  };
  utf8proc_ssize_t count = decompose();
  if (count > static_cast<utf8proc_ssize_t>(points.size())) {
    points.resize(static_cast<std::size_t>(count));
    count = decompose();
  }
  if (count >= 0) {
    count = utf8proc_normalize_utf32(points.data(), count, options);
  }
  require(count >= 0, ErrorKind::internal, "normalizing {} bytes failed: {}", text.size(), utf8proc_errmsg(count));
  for (utf8proc_ssize_t i = 0; i < count; ++i) {
    append_utf8(out, static_cast<char32_t>(points[static_cast<std::size_t>(i)]));
  }
}

}  // namespace

std::string to_unicode_form(std::string_view text, UnicodeForm form) {
  const bool composed = form == UnicodeForm::nfc || form == UnicodeForm::nfkc;
  const UnicodeTable& table = UnicodeTable::get();
  const utf8proc_option_t options = options_of(form);
  std::vector<utf8proc_int32_t> points(64);
  std::string out;
  out.reserve(text.size());
  std::size_t copied = 0;
  std::size_t previous = 0;  // the character before `at`: a stable one, which the next may combine with
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t start = at;
    if (is_stable(read_utf8(text, at), composed, table)) {
      previous = start;
      continue;
    }
    const std::size_t begin = previous < copied ? start : previous;
    out += text.substr(copied, begin - copied);
    std::size_t end = at;
    while (end < text.size()) {
      std::size_t next = end;
      if (is_stable(read_utf8(text, next), composed, table)) {
        break;
      }
      end = next;
    }
    append_form(out, text.substr(begin, end - begin), options, points);
    copied = end;
    previous = end;
    at = end;
  }
  out += text.substr(copied);
  return out;
}

void append_lowercase(std::string& out, char32_t c) {
  if (c < 0x80) {
    out.push_back(static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c));
  } else if (c == 0x130) {
    out += "i\u0307";  // the only character whose lower case is two
  } else {
    append_utf8(out, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
  }
}

}  // namespace dstorch::text
