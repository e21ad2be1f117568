#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "text/match_budget.h"
#include "text/older_characters.h"

namespace dstorch::text {

struct Span {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// A regular expression in the syntax of Oniguruma, which tokenizer files use, run by PCRE2 (compiled to machine code
/// where it can be). Matching takes no more time than a MatchBudget allows, and no more than 256 MiB. Immutable, hence
/// thread-safe.
class Regex {
 public:
  /// Throws LMError: format for a pattern that is none, unsupported for one that PCRE2 has no word for.
  explicit Regex(std::string_view pattern);
  ~Regex();
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;

  /// The first match that begins at `from` or later, in valid UTF-8; what is before `from` is seen by lookbehinds.
  /// Throws LMError{unsupported} that names the pattern when matching needs more time or memory than a sane one does.
  bool find(std::string_view text, std::size_t from, Span& match) const;

  /// Calls `each(Span)` for all matches, left to right, as Oniguruma's iterator gives them: no empty match right
  /// after another match.
  template <typename F>
  void for_each(std::string_view text, F&& each) const {
    const MatchBudget budget(text.size());
    std::string storage;
    const auto seen = in_known_characters(text, storage);
    std::size_t from = 0;
    std::size_t last_end = std::string_view::npos;
    Span match;
    while (from <= seen.size() && find(seen, from, match)) {
      if (match.begin == match.end && match.end == last_end) {
        from = next_character(seen, from);
        continue;
      }
      each(match);
      from = match.end;
      last_end = match.end;
    }
  }

  /// A pattern that matches exactly `text`.
  static std::string escape(std::string_view text);

 private:
  static std::size_t next_character(std::string_view text, std::size_t at) noexcept;

  enum class Answer { match, none, unknown };
  Answer find_near(std::string_view text, std::size_t& from, Span& match) const;
  bool find_anywhere(std::string_view text, std::size_t from, Span& match) const;
  [[noreturn]] void fail_match(std::string_view text, std::string_view why) const;

  struct Code;
  std::unique_ptr<Code> near_;      // for a few bytes at a time, with nothing in its way
  std::unique_ptr<Code> anywhere_;  // asks the budget at each of its steps
  bool windows_ = true;             // whether a search may be cut into several
  std::string pattern_;
};

/// `pattern`, written for Oniguruma, in PCRE2's syntax. Throws LMError{unsupported}.
std::string translate_regex(std::string_view pattern);

}  // namespace dstorch::text
