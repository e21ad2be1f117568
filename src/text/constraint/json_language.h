#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/json.h"
#include "text/constraint/char_dfa.h"
#include "text/constraint/expression.h"

namespace dstorch::text::constraint {

/// How JSON is written in the answers: white space, strings and values. Adds the rules that it needs to a grammar.
class JsonLanguage {
 public:
  /// `spaced`: white space may stand after `{ [ , :` and before `} ]`: one space, or a line's end with at most 16
  /// spaces after it (after `:` only a space). Otherwise there is none.
  JsonLanguage(Grammar& grammar, bool spaced);

  /// White space between tokens, or none.
  [[nodiscard]] const Expr& gap() const noexcept { return gap_; }
  /// `,` and `:` with what may follow.
  [[nodiscard]] const Expr& comma() const noexcept { return comma_; }
  [[nodiscard]] const Expr& colon() const noexcept { return colon_; }

  /// A string of so many characters, each written in any of JSON's ways.
  Expr free_string(int64_t least, int64_t most) const;
  /// The strings of an automaton, each character written in one way: as it is where JSON lets it be.
  Expr string_of(const CharDfa& dfa);
  /// The same as keys that must be new in their objects; `reserve`: see KeyBorder.
  Expr key_of(const CharDfa& dfa, int reserve);
  /// The texts of an automaton that needs no escapes, outside of strings.
  static Expr plain(const CharDfa& dfa);
  /// One string; one value with all that is in it.
  static std::string written(std::string_view text);
  Expr value(const OrderedJson& value) const;

  /// Any number: at most 15 digits before and after the point, an exponent of two.
  static Expr free_number();

 private:
  Expr content_of(const CharDfa& dfa);
  Expr written_char(const CharClass& chars);

  Grammar& grammar_;
  Expr gap_;
  Expr comma_;
  Expr colon_;
  Expr free_char_;
  std::map<CharClass, Expr> written_;
};

}  // namespace dstorch::text::constraint
