#include "text/jinja/expression_parser.h"

#include <algorithm>
#include <utility>

namespace dstorch::text::jinja {
namespace {

using Kind = Expr::Kind;
using Type = Token::Type;

}  // namespace

ExpressionParser::Nest::Nest(ExpressionParser& parser) : parser_(parser) {
  if (++parser_.depth_ > kMostDepth) {
    parser_.tokens_.fail("expressions nest too deep");
  }
}

ExprPtr ExpressionParser::make(Kind kind, int line) const {
  auto expr = std::make_unique<Expr>();
  expr->kind = kind;
  expr->line = line;
  return expr;
}

// Knows how deep `expr` is, and refuses what the evaluator could not walk.
ExprPtr ExpressionParser::finish(ExprPtr expr) const {
  int inside = 0;
  const auto look = [&](const ExprPtr& part) { inside = part ? std::max(inside, part->height) : inside; };
  std::for_each(expr->operands.begin(), expr->operands.end(), look);
  std::for_each(expr->args.positional.begin(), expr->args.positional.end(), look);
  for (const auto& named : expr->args.named) {
    look(named.second);
  }
  look(expr->args.more_positional);
  look(expr->args.more_named);
  expr->height = inside + 1;
  if (expr->height > 2 * kMostDepth) {
    tokens_.fail_at(expr->line, "an expression is too long");
  }
  return expr;
}

ExprPtr ExpressionParser::with(Kind kind, int line, ExprPtr a, ExprPtr b) const {
  ExprPtr expr = make(kind, line);
  expr->operands.push_back(std::move(a));
  if (b) {
    expr->operands.push_back(std::move(b));
  }
  return finish(std::move(expr));
}

ExprPtr ExpressionParser::expression(bool conditional) {
  const Nest nest(*this);
  return conditional ? condition() : disjunction();
}

ExprPtr ExpressionParser::condition() {
  int line = tokens_.current().line;
  ExprPtr value = disjunction();
  while (tokens_.skip_name("if")) {
    ExprPtr expr = make(Kind::conditional, line);
    expr->operands.push_back(disjunction());
    expr->operands.push_back(std::move(value));
    if (tokens_.skip_name("else")) {
      const Nest nest(*this);
      expr->operands.push_back(condition());
    } else {
      expr->operands.push_back(nullptr);
    }
    value = finish(std::move(expr));
    line = tokens_.current().line;
  }
  return value;
}

ExprPtr ExpressionParser::disjunction() {
  ExprPtr left = conjunction();
  while (tokens_.skip_name("or")) {
    const int line = left->line;
    left = with(Kind::logical_or, line, std::move(left), conjunction());
  }
  return left;
}

ExprPtr ExpressionParser::conjunction() {
  ExprPtr left = negation();
  while (tokens_.skip_name("and")) {
    const int line = left->line;
    left = with(Kind::logical_and, line, std::move(left), negation());
  }
  return left;
}

ExprPtr ExpressionParser::negation() {
  if (!tokens_.is_name("not")) {
    return comparison();
  }
  const Nest nest(*this);
  const int line = tokens_.next().line;
  return with(Kind::logical_not, line, negation());
}

bool ExpressionParser::comparison_op(CompareOp& op) {
  constexpr std::pair<std::string_view, CompareOp> kOps[] = {
      {"==", CompareOp::equal},      {"!=", CompareOp::not_equal}, {"<", CompareOp::less},
      {"<=", CompareOp::less_equal}, {">", CompareOp::greater},    {">=", CompareOp::greater_equal}};
  for (const auto& [symbol, meant] : kOps) {
    if (tokens_.skip_op(symbol)) {
      op = meant;
      return true;
    }
  }
  if (tokens_.skip_name("in")) {
    op = CompareOp::in;
    return true;
  }
  if (tokens_.is_name("not") && tokens_.ahead().type == Type::name && tokens_.ahead().text == "in") {
    tokens_.next();
    tokens_.next();
    op = CompareOp::not_in;
    return true;
  }
  return false;
}

ExprPtr ExpressionParser::comparison() {
  const int line = tokens_.current().line;
  ExprPtr first = sum();
  CompareOp op{};
  if (!comparison_op(op)) {
    return first;
  }
  ExprPtr expr = make(Kind::compare, line);
  expr->operands.push_back(std::move(first));
  do {
    expr->comparisons.push_back(op);
    expr->operands.push_back(sum());
  } while (comparison_op(op));
  return finish(std::move(expr));
}

ExprPtr ExpressionParser::sum() {
  ExprPtr left = concatenation();
  while (tokens_.is_op("+") || tokens_.is_op("-")) {
    const BinaryOp op = tokens_.next().text == "+" ? BinaryOp::add : BinaryOp::subtract;
    const int line = left->line;
    left = with(Kind::binary, line, std::move(left), concatenation());
    left->op = op;
  }
  return left;
}

ExprPtr ExpressionParser::concatenation() {
  ExprPtr first = product();
  if (!tokens_.is_op("~")) {
    return first;
  }
  ExprPtr expr = make(Kind::concat, first->line);
  expr->operands.push_back(std::move(first));
  while (tokens_.skip_op("~")) {
    expr->operands.push_back(product());
  }
  return finish(std::move(expr));
}

ExprPtr ExpressionParser::product() {
  constexpr std::pair<std::string_view, BinaryOp> kOps[] = {
      {"*", BinaryOp::multiply}, {"/", BinaryOp::divide}, {"//", BinaryOp::floor_divide}, {"%", BinaryOp::modulo}};
  ExprPtr left = power();
  for (;;) {
    const auto* found =
        std::find_if(std::begin(kOps), std::end(kOps), [&](const auto& known) { return tokens_.is_op(known.first); });
    if (found == std::end(kOps)) {
      return left;
    }
    tokens_.next();
    const int line = left->line;
    left = with(Kind::binary, line, std::move(left), power());
    left->op = found->second;
  }
}

ExprPtr ExpressionParser::power() {
  ExprPtr left = unary();
  while (tokens_.skip_op("**")) {
    const int line = left->line;
    left = with(Kind::binary, line, std::move(left), unary());
    left->op = BinaryOp::power;
  }
  return left;
}

ExprPtr ExpressionParser::unary(bool with_filters) {
  ExprPtr value;
  if (tokens_.is_op("-") || tokens_.is_op("+")) {
    const Nest nest(*this);
    const Token& sign = tokens_.next();
    const Kind kind = sign.text == "-" ? Kind::negate : Kind::plus;
    const int line = sign.line;
    value = with(kind, line, unary(false));
  } else {
    value = primary();
  }
  value = postfix(std::move(value));
  return with_filters ? postfix_and_filters(std::move(value)) : std::move(value);
}

}  // namespace dstorch::text::jinja
