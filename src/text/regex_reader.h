#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace dstorch::text {

inline bool is_ascii_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// A pattern in Oniguruma's syntax that is read from left to right, and what its outside and its sets are read with.
class PatternReader {
 public:
  explicit PatternReader(std::string_view pattern) : pattern_(pattern) {}

  [[nodiscard]] std::string_view rest() const { return pattern_.substr(at_); }
  /// As much of the pattern as goes into an error.
  [[nodiscard]] std::string_view shown() const { return pattern_.substr(0, 200); }

  void copy_character(std::string& to);
  /// Copies up to `most` bytes for which `wanted(char)`.
  template <typename F>
  void copy_while(std::string& to, std::size_t most, F wanted) {
    for (; most > 0 && at_ < pattern_.size() && wanted(pattern_[at_]); --most) {
      to.push_back(pattern_[at_++]);
    }
  }

  /// \p{...}: items of a set, or those that it is the complement of.
  struct Property {
    std::string items;
    bool negated = false;
  };
  Property property();
  /// Whether a brace follows the p of the escape here; else the letter means itself.
  [[nodiscard]] bool is_property() const { return at_ + 2 < pattern_.size() && pattern_[at_ + 2] == '{'; }
  /// \uHHHH, which PCRE2 writes \x{HHHH}.
  std::string code_point();
  /// An escape that both know, or a letter that means itself. `known`: the letters of escapes.
  std::string other_escape(std::string_view known);

 protected:
  friend class SetTranslator;
  std::string_view pattern_;
  std::size_t at_ = 0;
};

/// "\\P{L}" of "\\p{L}", and back.
std::string opposite(std::string one);

/// From the '[' here to its ']', in PCRE2's words. Throws LMError: format, unsupported for sets in sets too deep.
std::string translate_set(PatternReader& reader);

}  // namespace dstorch::text
