#include "text/fast_patterns.h"

#include <array>
#include <string>
#include <utility>

#include "text/unicode.h"
#include "text/utf8.h"

namespace dstorch::text {
namespace {

using unicode::kLetter;
using unicode::kLower;
using unicode::kNumber;
using unicode::kSpace;
using unicode::kUpper;

constexpr std::string_view kGpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view kGpt2Short = R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view kCl100k =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kO200k =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

constexpr std::size_t kNoMatch = std::string_view::npos;

// Reads a text character by character, with the properties of each.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  [[nodiscard]] bool ended(std::size_t at) const { return at >= text_.size(); }
  [[nodiscard]] std::size_t size() const { return text_.size(); }
  [[nodiscard]] char byte(std::size_t at) const { return text_[at]; }
  [[nodiscard]] bool is(std::size_t at, char c) const { return at < text_.size() && text_[at] == c; }
  [[nodiscard]] bool is_newline(std::size_t at) const { return is(at, '\n') || is(at, '\r'); }

  /// The properties of the character at `at`, which moves past it.
  uint8_t take(std::size_t& at) const { return table_[read_utf8(text_, at)]; }
  [[nodiscard]] uint8_t peek(std::size_t at) const { return take(at); }

  /// The end of the longest run from `at` of characters that have one of `wanted` and none of `unwanted`.
  [[nodiscard]] std::size_t run(std::size_t at, uint8_t wanted) const {
    while (at < text_.size()) {
      std::size_t next = at;
      if ((take(next) & wanted) == 0) {
        break;
      }
      at = next;
    }
    return at;
  }
  [[nodiscard]] std::size_t run_without(std::size_t at, uint8_t unwanted) const {
    while (at < text_.size()) {
      std::size_t next = at;
      if ((take(next) & unwanted) != 0) {
        break;
      }
      at = next;
    }
    return at;
  }
  [[nodiscard]] std::size_t previous(std::size_t at) const { return previous_utf8(text_, at); }

  /// The end of 's, 't, 're, 've, 'm, 'll or 'd at `at`, or `at`.
  [[nodiscard]] std::size_t contraction(std::size_t at, bool ignore_case) const {
    if (!is(at, '\'') || at + 1 >= text_.size()) {
      return at;
    }
    const auto letter = [&](std::size_t i) {
      const char c = i < text_.size() ? text_[i] : '\0';
      return ignore_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    };
    const char first = letter(at + 1);
    const char second = letter(at + 2);
    if (first == 's' || first == 't' || first == 'm' || first == 'd') {
      return at + 2;
    }
    if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e') || (first == 'l' && second == 'l')) {
      return at + 3;
    }
    // The long s is an s in another case.
    if (ignore_case && text_.substr(at + 1).starts_with("\u017F")) {
      return at + 3;
    }
    return at;
  }

 private:
  std::string_view text_;
  const UnicodeTable& table_ = UnicodeTable::get();
};

// \s+(?!\S)|\s+ : a run of white space leaves its last character to the word that follows, unless it is alone.
std::size_t space_end(const Scanner& scan, std::size_t at, std::size_t run_end) {
  if (scan.ended(run_end)) {
    return run_end;
  }
  const std::size_t last = scan.previous(run_end);
  return last > at ? last : run_end;
}

// \s*[\r\n]+|\s+(?!\S)|\s+ : up to the last line break of the run, if it has one.
std::size_t lines_or_space_end(const Scanner& scan, std::size_t at) {
  const std::size_t run_end = scan.run(at, kSpace);
  for (std::size_t end = run_end; end > at; --end) {
    if (scan.is_newline(end - 1)) {
      return end;
    }
  }
  return space_end(scan, at, run_end);
}

std::size_t gpt2_end(const Scanner& scan, std::size_t at) {
  if (const std::size_t end = scan.contraction(at, false); end != at) {
    return end;
  }
  const std::size_t word = scan.is(at, ' ') && !scan.ended(at + 1) ? at + 1 : at;
  std::size_t next = word;
  const uint8_t bits = scan.take(next);
  if ((bits & kLetter) != 0) {
    return scan.run(next, kLetter);
  }
  if ((bits & kNumber) != 0) {
    return scan.run(next, kNumber);
  }
  if ((bits & kSpace) == 0) {
    return scan.run_without(next, kSpace | kLetter | kNumber);
  }
  return space_end(scan, at, scan.run(at, kSpace));
}

// \p{N}{1,most}
std::size_t numbers_end(const Scanner& scan, std::size_t at, int most) {
  for (int i = 0; i < most && !scan.ended(at); ++i) {
    std::size_t next = at;
    if ((scan.take(next) & kNumber) == 0) {
      break;
    }
    at = next;
  }
  return at;
}

// " ?[^\s\p{L}\p{N}]+[\r\n]*" and then white space; with_slash: "[\r\n/]*".
std::size_t other_or_space_end(const Scanner& scan, std::size_t at, bool with_slash) {
  const std::size_t word = scan.is(at, ' ') ? at + 1 : at;
  const std::size_t end = scan.run_without(word, kSpace | kLetter | kNumber);
  if (end == word) {
    return lines_or_space_end(scan, at);
  }
  std::size_t tail = end;
  while (scan.is_newline(tail) || (with_slash && scan.is(tail, '/'))) {
    ++tail;
  }
  return tail;
}

std::size_t cl100k_end(const Scanner& scan, std::size_t at, int most_digits) {
  if (const std::size_t end = scan.contraction(at, true); end != at) {
    return end;
  }
  std::size_t next = at;
  const uint8_t bits = scan.take(next);
  if ((bits & kLetter) != 0) {
    return scan.run(next, kLetter);
  }
  if ((bits & kNumber) != 0) {
    return numbers_end(scan, at, most_digits);
  }
  if (!scan.is_newline(at) && !scan.ended(next)) {
    std::size_t after = next;
    if ((scan.take(after) & kLetter) != 0) {
      return scan.run(after, kLetter);
    }
  }
  return other_or_space_end(scan, at, false);
}

// U*L+ where U and L share characters; the end, or kNoMatch.
std::size_t upper_then_lower(const Scanner& scan, std::size_t at) {
  const std::size_t upper = scan.run(at, kUpper);
  const std::size_t lower = scan.run(upper, kLower);
  if (lower > upper) {
    return lower;
  }
  // U* gives back characters until one can be L.
  for (std::size_t end = upper; end > at;) {
    const std::size_t start = scan.previous(end);
    if ((scan.peek(start) & kLower) != 0) {
      return end;
    }
    end = start;
  }
  return kNoMatch;
}

// U+L*
std::size_t uppers_then_lower(const Scanner& scan, std::size_t at) {
  const std::size_t upper = scan.run(at, kUpper);
  return upper > at ? scan.run(upper, kLower) : kNoMatch;
}

std::size_t o200k_end(const Scanner& scan, std::size_t at) {
  std::size_t next = at;
  const uint8_t bits = scan.take(next);
  const bool may_lead = (bits & (kLetter | kNumber)) == 0 && !scan.is_newline(at);
  for (const auto word_end : {upper_then_lower, uppers_then_lower}) {
    std::size_t end = may_lead ? word_end(scan, next) : kNoMatch;
    if (end == kNoMatch) {
      end = word_end(scan, at);
    }
    if (end != kNoMatch) {
      return scan.contraction(end, true);
    }
  }
  if ((bits & kNumber) != 0) {
    return numbers_end(scan, at, 3);
  }
  return other_or_space_end(scan, at, true);
}

constexpr std::array<std::pair<std::string_view, FastPattern>, 5> kKnown = {{
    {kGpt2, FastPattern::gpt2},
    {kGpt2Short, FastPattern::gpt2},
    {kCl100k, FastPattern::cl100k},
    {kQwen2, FastPattern::qwen2},
    {kO200k, FastPattern::o200k},
}};

}  // namespace

std::optional<FastPattern> fast_pattern(std::string_view pattern) {
  for (const auto& [text, known] : kKnown) {
    if (pattern == text) {
      return known;
    }
  }
  return std::nullopt;
}

std::string_view pattern_text(FastPattern pattern) {
  for (const auto& [text, known] : kKnown) {
    if (pattern == known) {
      return text;
    }
  }
  return {};
}

std::size_t match_end(FastPattern pattern, std::string_view text, std::size_t at) {
  const Scanner scan(text);
  switch (pattern) {
    case FastPattern::gpt2:
      return gpt2_end(scan, at);
    case FastPattern::cl100k:
      return cl100k_end(scan, at, 3);
    case FastPattern::qwen2:
      return cl100k_end(scan, at, 1);
    case FastPattern::o200k:
      return o200k_end(scan, at);
  }
  return text.size();
}

}  // namespace dstorch::text
