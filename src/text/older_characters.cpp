#include "text/older_characters.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <charconv>
#include <iterator>

#include "text/unicode_stand_ins.h"
#include "text/utf8.h"

namespace dstorch::text {
namespace {

/// The Unicode of the stand-ins: what tokenizers knows.
constexpr int kUnicode = 16;

bool pcre2_knows_all() {
  static const bool knows = [] {
    char version[64] = {};  // "14.0.0"
    const auto size = pcre2_config(PCRE2_CONFIG_UNICODE_VERSION, nullptr);
    if (size <= 0 || size > static_cast<int>(sizeof(version))) {
      return false;
    }
    pcre2_config(PCRE2_CONFIG_UNICODE_VERSION, version);
    int major = 0;
    std::from_chars(std::begin(version), std::end(version), major);
    return major >= kUnicode;
  }();
  return knows;
}

/// All stand-ins are for characters of three bytes or four.
bool may_begin_new(char byte) noexcept { return static_cast<unsigned char>(byte) >= 0xE0U; }
static_assert(kStandIns[0].first >= 0x800);

const StandIn* find_stand_in(char32_t c) noexcept {
  const auto* it = std::lower_bound(std::begin(kStandIns), std::end(kStandIns), c,
                                    [](const StandIn& row, char32_t value) { return row.last < value; });
  return it != std::end(kStandIns) && it->first <= c ? it : nullptr;
}

}  // namespace

std::string_view in_known_characters(std::string_view text, std::string& storage) {
  if (pcre2_knows_all() || std::none_of(text.begin(), text.end(), may_begin_new)) {
    return text;
  }
  bool replaced = false;
  for (std::size_t at = 0; at < text.size();) {
    const auto begin = at;
    const auto* row = find_stand_in(read_utf8(text, at));
    if (row == nullptr) {
      continue;
    }
    if (!replaced) {
      storage = text;
      replaced = true;
    }
    storage.replace(begin, at - begin, to_utf8(row->older));
  }
  return replaced ? std::string_view(storage) : text;
}

}  // namespace dstorch::text
