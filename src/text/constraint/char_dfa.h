#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/constraint/expression.h"

namespace dstorch::text::constraint {

/// Most states of a CharDfa that is made here.
inline constexpr std::size_t kMostDfaStates = 20'000;

/// A deterministic automaton over characters, for what needs more than an expression says: two conditions at once, or
/// the opposite of one. State 0 is the start; a character without an edge leads to nothing. Has no states from which
/// nothing is accepted, but for the start.
struct CharDfa {
  struct Edge {
    CodeRange range;
    uint32_t target = 0;
  };
  struct State {
    std::vector<Edge> edges;  ///< by range; they do not overlap
    bool accepts = false;
  };
  static constexpr uint32_t kNoState = UINT32_MAX;
  std::vector<State> states = std::vector<State>(1);

  /// Where `c` leads to from `state`, or kNoState.
  [[nodiscard]] uint32_t target(uint32_t state, char32_t c) const;
  [[nodiscard]] bool empty() const { return !states[0].accepts && states[0].edges.empty(); }
  [[nodiscard]] bool accepts(std::string_view text) const;
  /// Whether so many texts are accepted that there is no longest.
  [[nodiscard]] bool infinite() const;
  /// All texts that are accepted, in the order of their code points; nothing when they are more than `most`.
  [[nodiscard]] std::optional<std::vector<std::string>> texts(std::size_t most) const;
};

/// The texts of `expression`, which has no calls and no graphs. Throws LMError{unsupported} naming `where` when it
/// becomes too large.
CharDfa make_dfa(const Expr& expression, std::string_view where);
/// The texts in which an expression of `parse_regex` is found.
CharDfa find_dfa(const Expr& pattern, std::string_view where);
/// Without the states from which nothing is accepted, and those that nothing leads to.
CharDfa trimmed(const CharDfa& dfa);
CharDfa intersect(const CharDfa& a, const CharDfa& b, std::string_view where);
/// All other texts.
CharDfa complement(const CharDfa& dfa);
/// From `least` to `most` characters.
CharDfa length_dfa(int64_t least, int64_t most);

/// Throws the LMError of automata that become too large, naming `where`.
[[noreturn]] void fail_dfa_too_large(std::string_view where);

}  // namespace dstorch::text::constraint
