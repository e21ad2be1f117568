#include "text/jinja/expression_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "text/jinja/numbers.h"
#include "text/jinja/python_text.h"

namespace dstorch::text::jinja {
namespace {

using Kind = Expr::Kind;
using Type = Token::Type;

}  // namespace

class ExpressionParser::Nest {
 public:
  explicit Nest(ExpressionParser& parser) : parser_(parser) {
    if (++parser_.depth_ > kMostDepth) {
      parser_.tokens_.fail("expressions nest too deep");
    }
  }
  Nest(const Nest&) = delete;
  Nest& operator=(const Nest&) = delete;
  ~Nest() { --parser_.depth_; }

 private:
  ExpressionParser& parser_;
};

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

Value ExpressionParser::text_constant(std::string_view text) {
  Str* str = arena_.make<Str>(Str{arena_.copy(text)});
  // Counted here, since threads that render at once share it.
  str->length = count_points(str->text);
  return Value::of(str);
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
