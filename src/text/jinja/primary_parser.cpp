// What expressions are made of: names, constants, tuples, lists, dicts; and what can be assigned to.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/expression_parser.h"
#include "text/jinja/numbers.h"
#include "text/jinja/python_text.h"

namespace dstorch::text::jinja {
namespace {

using Kind = Expr::Kind;
using Type = Token::Type;

}  // namespace

Value ExpressionParser::text_constant(std::string_view text) {
  Str* str = arena_.make<Str>(Str{arena_.copy(text)});
  // Counted here, since threads that render at once share it.
  str->length = count_points(str->text);
  return Value::of(str);
}

ExprPtr ExpressionParser::primary(bool with_namespace) {
  switch (tokens_.current().type) {
    case Type::name:
      return name(with_namespace);
    case Type::string:
      return string();
    case Type::integer:
    case Type::real:
      return number();
    default:
      break;
  }
  if (tokens_.skip_op("(")) {
    ExprPtr inner = tuple(true, {}, true);
    tokens_.expect_op(")");
    return inner;
  }
  if (tokens_.is_op("[")) {
    return list();
  }
  if (tokens_.is_op("{")) {
    return dict();
  }
  tokens_.fail(fmt::format("unexpected {}", tokens_.describe()));
}

ExprPtr ExpressionParser::name(bool with_namespace) {
  const Token& token = tokens_.next();
  const std::string& text = token.text;
  ExprPtr expr = make(Kind::constant, token.line);
  if (text == "true" || text == "True" || text == "false" || text == "False") {
    expr->value = Value::of(text == "true" || text == "True");
  } else if (text == "none" || text == "None") {
    expr->value = Value::none();
  } else {
    expr->kind = Kind::name;
    expr->name = text;
    if (with_namespace && tokens_.skip_op(".")) {
      expr->kind = Kind::namespace_name;
      expr->attribute = tokens_.expect_name();
    }
  }
  return expr;
}

// Texts side by side are one.
ExprPtr ExpressionParser::string() {
  ExprPtr expr = make(Kind::constant, tokens_.current().line);
  std::string text;
  while (tokens_.is(Type::string)) {
    text += tokens_.next().text;
  }
  expr->value = text_constant(text);
  return expr;
}

ExprPtr ExpressionParser::number() {
  const Token& token = tokens_.next();
  ExprPtr expr = make(Kind::constant, token.line);
  if (token.type == Type::real) {
    expr->value = Value::of(parse_real(token.text).value_or(0));
    return expr;
  }
  const auto whole = parse_whole(token.text, 0);
  if (!whole) {
    tokens_.fail_at(token.line, fmt::format("{} must fit 64 bits", token.text.substr(0, 40)));
  }
  expr->value = Value::of(*whole);
  return expr;
}

ExprPtr ExpressionParser::tuple(bool conditional, std::string_view end, bool parenthesized) {
  const Nest nest(*this);
  const int line = tokens_.current().line;
  const auto at_end = [&] {
    return tokens_.is(Type::variable_end) || tokens_.is(Type::block_end) || tokens_.is_op(")") ||
           (!end.empty() && tokens_.is_name(end));
  };
  std::vector<ExprPtr> items;
  bool comma = false;
  while (!at_end()) {
    items.push_back(expression(conditional));
    if (!tokens_.skip_op(",")) {
      break;
    }
    comma = true;
  }
  if (!comma && !items.empty()) {
    return std::move(items[0]);
  }
  if (!comma && !parenthesized) {
    tokens_.fail(fmt::format("expected an expression, got {}", tokens_.describe()));
  }
  ExprPtr expr = make(Kind::tuple, line);
  expr->operands = std::move(items);
  return finish(std::move(expr));
}

ExprPtr ExpressionParser::list() {
  ExprPtr expr = make(Kind::list, tokens_.next().line);
  while (!tokens_.is_op("]")) {
    expr->operands.push_back(expression());
    if (!tokens_.is_op("]")) {
      tokens_.expect_op(",");
    }
  }
  tokens_.expect_op("]");
  return finish(std::move(expr));
}

ExprPtr ExpressionParser::dict() {
  ExprPtr expr = make(Kind::dict, tokens_.next().line);
  while (!tokens_.is_op("}")) {
    expr->operands.push_back(expression());
    tokens_.expect_op(":");
    expr->operands.push_back(expression());
    if (!tokens_.is_op("}")) {
      tokens_.expect_op(",");
    }
  }
  tokens_.expect_op("}");
  return finish(std::move(expr));
}

ExprPtr ExpressionParser::name_target() {
  ExprPtr expr = make(Kind::name, tokens_.current().line);
  expr->name = tokens_.expect_name();
  check_target(*expr);
  return expr;
}

ExprPtr ExpressionParser::target(bool with_namespace, std::string_view end) {
  const int line = tokens_.current().line;
  std::vector<ExprPtr> items;
  bool comma = false;
  while (!tokens_.is(Type::block_end) && !tokens_.is_op(")") && (end.empty() || !tokens_.is_name(end))) {
    items.push_back(primary(with_namespace));
    if (!tokens_.skip_op(",")) {
      break;
    }
    comma = true;
  }
  if (items.empty()) {
    tokens_.fail(fmt::format("expected a name to assign to, got {}", tokens_.describe()));
  }
  ExprPtr expr = std::move(items[0]);
  if (comma) {
    items[0] = std::move(expr);
    expr = make(Kind::tuple, line);
    expr->operands = std::move(items);
    expr = finish(std::move(expr));
  }
  check_target(*expr);
  return expr;
}

void ExpressionParser::check_target(const Expr& expr) const {
  constexpr std::string_view kConstants[] = {"true", "false", "none", "True", "False", "None"};
  const bool constant_name = expr.kind == Kind::name &&
                             std::find(std::begin(kConstants), std::end(kConstants), expr.name) != std::end(kConstants);
  if (expr.kind == Kind::tuple) {
    for (const ExprPtr& item : expr.operands) {
      check_target(*item);
    }
  } else if ((expr.kind != Kind::name && expr.kind != Kind::namespace_name) || constant_name) {
    tokens_.fail_at(expr.line, "this cannot be assigned to");
  }
}

}  // namespace dstorch::text::jinja
