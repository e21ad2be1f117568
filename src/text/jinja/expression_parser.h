#pragma once

#include <string_view>

#include "text/jinja/arena.h"
#include "text/jinja/ast.h"
#include "text/jinja/token_stream.h"

namespace dstorch::text::jinja {

/// Levels of expressions, and of statements: far more than any template has; what is read deeper would take the stack.
inline constexpr int kMostDepth = 100;

/// Reads expressions, by Jinja's grammar: from `or` down to names, each rank a function.
class ExpressionParser {
 public:
  /// Constants are kept in `arena`.
  ExpressionParser(TokenStream& tokens, Arena& arena) : tokens_(tokens), arena_(arena) {}

  /// `conditional`: `a if b else c` may stand here.
  ExprPtr expression(bool conditional = true);
  /// Expressions with commas between them make a tuple. `end`: a name that may stand after the last comma.
  ExprPtr tuple(bool conditional = true, std::string_view end = {}, bool parenthesized = false);
  /// What can be assigned to: names, tuples of names and, with `with_namespace`, attributes of namespaces.
  ExprPtr target(bool with_namespace = false, std::string_view end = {});
  ExprPtr name_target();
  /// `| filter | filter` of `value`; `bare`: the first stands without its `|`.
  ExprPtr filters(ExprPtr value, bool bare);

 private:
  /// One level deeper while it lives.
  class Nest {
   public:
    explicit Nest(ExpressionParser& parser);
    Nest(const Nest&) = delete;
    Nest& operator=(const Nest&) = delete;
    ~Nest() { --parser_.depth_; }

   private:
    ExpressionParser& parser_;
  };

  /// Far more than any template has; what is read deeper would take the stack.
  static constexpr int kMostDepth = 100;

  ExprPtr make(Expr::Kind kind, int line) const;
  ExprPtr finish(ExprPtr expr) const;
  ExprPtr with(Expr::Kind kind, int line, ExprPtr a, ExprPtr b = nullptr) const;
  Value text_constant(std::string_view text);

  ExprPtr condition();
  ExprPtr disjunction();
  ExprPtr conjunction();
  ExprPtr negation();
  ExprPtr comparison();
  bool comparison_op(CompareOp& op);
  ExprPtr sum();
  ExprPtr concatenation();
  ExprPtr product();
  ExprPtr power();
  ExprPtr unary(bool with_filters = true);
  ExprPtr primary(bool with_namespace = false);
  ExprPtr name(bool with_namespace);
  ExprPtr string();
  ExprPtr number();
  ExprPtr list();
  ExprPtr dict();
  ExprPtr postfix(ExprPtr value);
  ExprPtr postfix_and_filters(ExprPtr value);
  ExprPtr subscript(ExprPtr value);
  ExprPtr index(ExprPtr value, int line);
  ExprPtr call(ExprPtr function);
  ExprPtr test(ExprPtr value);
  CallArgs arguments();
  void argument(CallArgs& args, int line);
  void check_target(const Expr& expr) const;

  TokenStream& tokens_;
  Arena& arena_;
  int depth_ = 0;
};

}  // namespace dstorch::text::jinja
