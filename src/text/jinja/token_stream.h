#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/lexer.h"

namespace dstorch::text::jinja {

/// The tokens of a template, one of which is the current one.
class TokenStream {
 public:
  TokenStream(std::vector<Token> tokens, std::string_view name) : tokens_(std::move(tokens)), name_(name) {}

  [[nodiscard]] const Token& current() const { return tokens_[at_]; }
  [[nodiscard]] const Token& ahead() const { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }
  /// Moves on and returns what was current; the end stays current.
  const Token& next() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }

  [[nodiscard]] bool is(Token::Type type) const { return current().type == type; }
  [[nodiscard]] bool is_op(std::string_view op) const { return is(Token::Type::op) && current().text == op; }
  [[nodiscard]] bool is_name(std::string_view name) const { return is(Token::Type::name) && current().text == name; }
  [[nodiscard]] bool is_name(std::initializer_list<std::string_view> names) const {
    for (const std::string_view name : names) {
      if (is_name(name)) {
        return true;
      }
    }
    return false;
  }

  bool skip_op(std::string_view op) { return is_op(op) && (next(), true); }
  bool skip_name(std::string_view name) { return is_name(name) && (next(), true); }
  void expect_op(std::string_view op);
  std::string expect_name();
  void expect(Token::Type type, std::string_view called);

  [[noreturn]] void fail(std::string_view message) const { fail_syntax(name_, current().line, message); }
  [[noreturn]] void fail_at(int line, std::string_view message) const { fail_syntax(name_, line, message); }
  /// The current token, for an error.
  [[nodiscard]] std::string describe() const;

 private:
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  std::string name_;
};

}  // namespace dstorch::text::jinja
