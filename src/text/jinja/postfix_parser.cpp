// What may follow a value: attributes, subscripts, calls, filters, tests.
#include <fmt/format.h>

#include "text/jinja/expression_parser.h"
#include "text/jinja/numbers.h"

namespace dstorch::text::jinja {
namespace {

using Kind = Expr::Kind;
using Type = Token::Type;

}  // namespace

ExprPtr ExpressionParser::postfix(ExprPtr value) {
  for (;;) {
    if (tokens_.is_op(".") || tokens_.is_op("[")) {
      value = subscript(std::move(value));
    } else if (tokens_.is_op("(")) {
      value = call(std::move(value));
    } else {
      return value;
    }
  }
}

ExprPtr ExpressionParser::postfix_and_filters(ExprPtr value) {
  for (;;) {
    if (tokens_.is_op("|")) {
      value = filters(std::move(value), false);
    } else if (tokens_.is_name("is")) {
      value = test(std::move(value));
    } else if (tokens_.is_op("(")) {
      value = call(std::move(value));
    } else {
      return value;
    }
  }
}

ExprPtr ExpressionParser::subscript(ExprPtr value) {
  const Token& token = tokens_.next();
  const int line = token.line;
  if (token.text == "[") {
    return index(std::move(value), line);
  }
  const Token& key = tokens_.next();
  if (key.type == Type::name) {
    ExprPtr expr = make(Kind::attribute, line);
    expr->name = key.text;
    expr->operands.push_back(std::move(value));
    return finish(std::move(expr));
  }
  if (key.type != Type::integer) {
    tokens_.fail_at(key.line, "expected a name or a number after '.'");
  }
  ExprPtr number = make(Kind::constant, key.line);
  number->value = Value::of(parse_whole(key.text.substr(0, 18), 0).value_or(0));
  return with(Kind::item, line, std::move(value), std::move(number));
}

// [key], [start:stop:step], or several with commas, which are one tuple.
ExprPtr ExpressionParser::index(ExprPtr value, int line) {
  const auto absent = [&] { return tokens_.is_op("]") || tokens_.is_op(",") || tokens_.is_op(":"); };
  std::vector<ExprPtr> keys;
  ExprPtr slice;
  while (!tokens_.is_op("]")) {
    if (!keys.empty() || slice) {
      tokens_.expect_op(",");
    }
    ExprPtr start = tokens_.is_op(":") ? nullptr : expression();
    if (!tokens_.skip_op(":")) {
      keys.push_back(std::move(start));
      continue;
    }
    if (slice || !keys.empty()) {
      tokens_.fail_at(line, "only one slice may stand between brackets");
    }
    slice = make(Kind::slice, line);
    slice->operands.push_back(nullptr);
    slice->operands.push_back(std::move(start));
    slice->operands.push_back(absent() ? nullptr : expression());
    slice->operands.push_back(tokens_.skip_op(":") && !absent() ? expression() : nullptr);
  }
  tokens_.expect_op("]");
  if (slice) {
    if (!keys.empty()) {
      tokens_.fail_at(line, "only one slice may stand between brackets");
    }
    slice->operands[0] = std::move(value);
    return finish(std::move(slice));
  }
  if (keys.size() == 1) {
    return with(Kind::item, line, std::move(value), std::move(keys[0]));
  }
  ExprPtr key = make(Kind::tuple, line);
  key->operands = std::move(keys);
  return with(Kind::item, line, std::move(value), finish(std::move(key)));
}

ExprPtr ExpressionParser::call(ExprPtr function) {
  ExprPtr expr = make(Kind::call, tokens_.current().line);
  expr->operands.push_back(std::move(function));
  expr->args = arguments();
  return finish(std::move(expr));
}

CallArgs ExpressionParser::arguments() {
  const int line = tokens_.current().line;
  tokens_.expect_op("(");
  CallArgs args;
  bool first = true;
  while (!tokens_.is_op(")")) {
    if (!first) {
      tokens_.expect_op(",");
      if (tokens_.is_op(")")) {
        break;
      }
    }
    first = false;
    argument(args, line);
  }
  tokens_.expect_op(")");
  return args;
}

void ExpressionParser::argument(CallArgs& args, int line) {
  const auto check = [&](bool in_order) {
    if (!in_order) {
      tokens_.fail_at(line, "a call's arguments are out of order");
    }
  };
  if (tokens_.skip_op("*")) {
    check(!args.more_positional && !args.more_named);
    args.more_positional = expression();
  } else if (tokens_.skip_op("**")) {
    check(!args.more_named);
    args.more_named = expression();
  } else if (tokens_.is(Type::name) && tokens_.ahead().type == Type::op && tokens_.ahead().text == "=") {
    check(!args.more_named);
    std::string name = tokens_.next().text;
    tokens_.next();
    for (const auto& other : args.named) {
      check(other.first != name);
    }
    args.named.emplace_back(std::move(name), expression());
  } else {
    check(!args.more_positional && !args.more_named && args.named.empty());
    args.positional.push_back(expression());
  }
}

ExprPtr ExpressionParser::filters(ExprPtr value, bool bare) {
  while (bare || tokens_.skip_op("|")) {
    bare = false;
    ExprPtr expr = make(Kind::filter, tokens_.current().line);
    expr->name = tokens_.expect_name();
    while (tokens_.skip_op(".")) {
      expr->name.append(".").append(tokens_.expect_name());
    }
    expr->operands.push_back(std::move(value));
    if (tokens_.is_op("(")) {
      expr->args = arguments();
    }
    expr->filter = find_filter(expr->name);
    value = finish(std::move(expr));
  }
  return value;
}

ExprPtr ExpressionParser::test(ExprPtr value) {
  const int line = tokens_.next().line;
  const bool negated = tokens_.skip_name("not");
  ExprPtr expr = make(Kind::test, line);
  expr->name = tokens_.expect_name();
  while (tokens_.skip_op(".")) {
    expr->name.append(".").append(tokens_.expect_name());
  }
  expr->operands.push_back(std::move(value));
  if (tokens_.is_op("(")) {
    expr->args = arguments();
  } else if ((tokens_.is(Type::name) && !tokens_.is_name({"else", "or", "and"})) || tokens_.is(Type::string) ||
             tokens_.is(Type::integer) || tokens_.is(Type::real) || tokens_.is_op("[") || tokens_.is_op("{")) {
    if (tokens_.is_name("is")) {
      tokens_.fail("tests cannot be chained with 'is'");
    }
    expr->args.positional.push_back(postfix(primary()));
  }
  expr->test = find_test(expr->name);
  expr = finish(std::move(expr));
  return negated ? with(Kind::logical_not, line, std::move(expr)) : std::move(expr);
}

}  // namespace dstorch::text::jinja
