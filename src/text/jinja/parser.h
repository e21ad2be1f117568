#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "text/jinja/expression_parser.h"

namespace dstorch::text::jinja {

/// Reads a template's statements.
class Parser {
 public:
  /// `source`: normalized. Constants are kept in `arena`.
  Parser(std::string_view source, std::string_view name, Arena& arena)
      : tokens_(tokenize(source, name), name), expressions_(tokens_, arena) {}

  /// Throws LMError{format}.
  Body parse();

 private:
  class Nest;

  Body statements(std::initializer_list<std::string_view> ends, std::string_view opened, int line);
  Body block_body(std::string_view end, std::string_view opened, int line);
  StmtPtr statement();
  StmtPtr make(Stmt::Kind kind) const;

  StmtPtr set();
  StmtPtr loop();
  StmtPtr branch();
  StmtPtr macro();
  StmtPtr call_block();
  StmtPtr filter_block();
  StmtPtr with();
  StmtPtr block();
  StmtPtr generation();
  StmtPtr autoescape();
  StmtPtr print();
  StmtPtr outside();
  void signature(Stmt& stmt);

  TokenStream tokens_;
  ExpressionParser expressions_;
  int depth_ = 0;
};

}  // namespace dstorch::text::jinja
