#include "text/jinja/token_stream.h"

#include <fmt/format.h>

namespace dstorch::text::jinja {

std::string TokenStream::describe() const {
  switch (current().type) {
    case Token::Type::end:
      return "the end of the template";
    case Token::Type::data:
      return "text";
    case Token::Type::variable_begin:
      return "'{{'";
    case Token::Type::variable_end:
      return "'}}'";
    case Token::Type::block_begin:
      return "'{%'";
    case Token::Type::block_end:
      return "'%}'";
    default:
      return fmt::format("'{}'", current().text.substr(0, 40));
  }
}

void TokenStream::expect_op(std::string_view op) {
  if (!skip_op(op)) {
    fail(fmt::format("expected '{}', got {}", op, describe()));
  }
}

std::string TokenStream::expect_name() {
  if (!is(Token::Type::name)) {
    fail(fmt::format("expected a name, got {}", describe()));
  }
  return next().text;
}

void TokenStream::expect(Token::Type type, std::string_view called) {
  if (!is(type)) {
    fail(fmt::format("expected {}, got {}", called, describe()));
  }
  next();
}

}  // namespace dstorch::text::jinja
