#pragma once

#include <string>
#include <string_view>

namespace dstorch::text {

/// The Unicode normalization forms (Unicode Standard Annex 15).
enum class UnicodeForm { nfc, nfd, nfkc, nfkd };

/// `text`, valid UTF-8, in `form`. What needs no change is found fast and copied.
std::string to_unicode_form(std::string_view text, UnicodeForm form);

/// Appends the lower case of `c` (the full mapping, as Rust's `char::to_lowercase`).
void append_lowercase(std::string& out, char32_t c);

}  // namespace dstorch::text
