#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/constraint/char_class.h"

namespace dstorch::text::constraint {

struct Expression;
/// A set of texts. Immutable and shared.
using Expr = std::shared_ptr<const Expression>;

/// An automaton whose edges are expressions. Node 0 is the start.
struct Graph {
  struct Edge {
    uint32_t from = 0;
    uint32_t to = 0;
    Expr label;
  };
  uint32_t nodes = 1;
  std::vector<Edge> edges;
  std::vector<uint32_t> finals;
};

inline constexpr int64_t kUnbounded = std::numeric_limits<int64_t>::max();

/// The border of a key that must be new in its object. At its end: how many more tokens than for the shortest key must
/// be left over, so that a new one can be written when that is taken.
enum KeyBorder : uint16_t {
  key_reserve = 0x3FFF,
  key_end = 0x4000,
  key_begin = 0x8000,
};

/// What regular expressions, grammars and schemas are all read into.
struct Expression {
  enum class Kind { never, bytes, chars, sequence, choice, repeat, call, graph };

  Kind kind = Kind::never;
  std::string bytes;        ///< bytes: just these.
  int border = 0;           ///< bytes: where a key begins or ends that must be new in its object; see KeyBorder.
  CharClass chars;          ///< chars: one of these.
  std::vector<Expr> parts;  ///< sequence, choice; the one of repeat.
  int64_t least = 0;        ///< repeat.
  int64_t most = 0;         ///< repeat.
  uint32_t rule = 0;        ///< call.
  Graph graph;              ///< graph.
};

Expr never();
/// The empty text.
Expr nothing();
Expr bytes(std::string_view text);
Expr chars(CharClass chars);
Expr sequence(std::vector<Expr> parts);
/// One of `parts`; none of nothing.
Expr choice(std::vector<Expr> parts);
Expr repeat(Expr part, int64_t least, int64_t most);
Expr optional(Expr part);
Expr call(uint32_t rule);
Expr graph(Graph graph);

/// Rules that may use each other, and themselves.
struct Grammar {
  struct Rule {
    std::string name;
    Expr body;
  };
  std::vector<Rule> rules;
  uint32_t root = 0;
  /// The texts are JSON, and no object in them may have a key twice.
  bool unique_keys = false;
  /// Some beginnings of keys can be completed in a few ways only.
  bool narrow_keys = false;

  uint32_t add(std::string name, Expr body = never()) {
    rules.push_back({std::move(name), std::move(body)});
    return static_cast<uint32_t>(rules.size() - 1);
  }
};

/// Deepest nesting that is read: of groups, of schemas.
inline constexpr int kMaxDepth = 100;

}  // namespace dstorch::text::constraint
