#include "text/constraint/expression.h"

#include <algorithm>
#include <utility>

namespace dstorch::text::constraint {
namespace {

Expr made(Expression expression) { return std::make_shared<const Expression>(std::move(expression)); }

bool is_never(const Expr& expression) { return expression->kind == Expression::Kind::never; }

}  // namespace

Expr never() {
  static const Expr nowhere = made({});
  return nowhere;
}

Expr nothing() { return bytes(""); }

Expr bytes(std::string_view text) {
  Expression expression;
  expression.kind = Expression::Kind::bytes;
  expression.bytes = text;
  return made(std::move(expression));
}

Expr chars(CharClass chars) {
  if (chars.empty()) {
    return never();
  }
  Expression expression;
  expression.kind = Expression::Kind::chars;
  expression.chars = std::move(chars);
  return made(std::move(expression));
}

Expr sequence(std::vector<Expr> parts) {
  if (std::any_of(parts.begin(), parts.end(), is_never)) {
    return never();
  }
  if (parts.size() == 1) {
    return parts.front();
  }
  Expression expression;
  expression.kind = Expression::Kind::sequence;
  expression.parts = std::move(parts);
  return made(std::move(expression));
}

Expr choice(std::vector<Expr> parts) {
  std::erase_if(parts, is_never);
  if (parts.empty()) {
    return never();
  }
  if (parts.size() == 1) {
    return parts.front();
  }
  Expression expression;
  expression.kind = Expression::Kind::choice;
  expression.parts = std::move(parts);
  return made(std::move(expression));
}

Expr repeat(Expr part, int64_t least, int64_t most) {
  if (most == 0 || (is_never(part) && least == 0)) {
    return nothing();
  }
  if (is_never(part) || (least == 1 && most == 1)) {
    return part;
  }
  Expression expression;
  expression.kind = Expression::Kind::repeat;
  expression.parts = {std::move(part)};
  expression.least = least;
  expression.most = most;
  return made(std::move(expression));
}

Expr optional(Expr part) { return repeat(std::move(part), 0, 1); }

Expr call(uint32_t rule) {
  Expression expression;
  expression.kind = Expression::Kind::call;
  expression.rule = rule;
  return made(std::move(expression));
}

Expr graph(Graph graph) {
  Expression expression;
  expression.kind = Expression::Kind::graph;
  expression.graph = std::move(graph);
  return made(std::move(expression));
}

}  // namespace dstorch::text::constraint
