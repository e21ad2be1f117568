#include "text/jinja/parser.h"

#include <fmt/format.h>

namespace dstorch::text::jinja {
namespace {

using StmtKind = Stmt::Kind;
using Type = Token::Type;

// A loop's condition looks at names of its own.
ExprPtr clone_target(const Expr& target) {
  auto copy = std::make_unique<Expr>();
  copy->kind = target.kind;
  copy->line = target.line;
  copy->height = target.height;
  copy->name = target.name;
  copy->attribute = target.attribute;
  for (const ExprPtr& item : target.operands) {
    copy->operands.push_back(clone_target(*item));
  }
  return copy;
}

}  // namespace

class Parser::Nest {
 public:
  explicit Nest(Parser& parser) : parser_(parser) {
    if (++parser_.depth_ > kMostDepth) {
      parser_.tokens_.fail("statements nest too deep");
    }
  }
  Nest(const Nest&) = delete;
  Nest& operator=(const Nest&) = delete;
  ~Nest() { --parser_.depth_; }

 private:
  Parser& parser_;
};

Body Parser::parse() { return statements({}, {}, 0); }

StmtPtr Parser::make(StmtKind kind) const {
  auto stmt = std::make_unique<Stmt>();
  stmt->kind = kind;
  stmt->line = tokens_.current().line;
  return stmt;
}

// Up to a tag that is one of `ends`, whose name is then current. `opened` and `line`: what it would close.
Body Parser::statements(std::initializer_list<std::string_view> ends, std::string_view opened, int line) {
  const Nest nest(*this);
  Body body;
  while (!tokens_.is(Type::end)) {
    StmtPtr stmt = make(StmtKind::text);
    if (tokens_.is(Type::data)) {
      stmt->text = tokens_.next().text;
    } else if (tokens_.is(Type::variable_begin)) {
      tokens_.next();
      stmt->kind = StmtKind::output;
      stmt->exprs.push_back(expressions_.tuple());
      tokens_.expect(Type::variable_end, "'}}'");
    } else {
      tokens_.next();
      if (ends.size() != 0 && tokens_.is_name(ends)) {
        return body;
      }
      stmt = statement();
      tokens_.expect(Type::block_end, "'%}'");
    }
    body.push_back(std::move(stmt));
  }
  if (ends.size() != 0) {
    tokens_.fail(fmt::format("'{}' from line {} has no '{}'", opened, line, std::data(ends)[ends.size() - 1]));
  }
  return body;
}

// The rest of an opening tag, and all up to the closing one, which is read too.
Body Parser::block_body(std::string_view end, std::string_view opened, int line) {
  tokens_.skip_op(":");
  tokens_.expect(Type::block_end, "'%}'");
  Body body = statements({end}, opened, line);
  tokens_.next();
  return body;
}

StmtPtr Parser::statement() {
  if (!tokens_.is(Type::name)) {
    tokens_.fail(fmt::format("expected a statement's name, got {}", tokens_.describe()));
  }
  constexpr std::pair<std::string_view, StmtPtr (Parser::*)()> kStatements[] = {
      {"set", &Parser::set},
      {"for", &Parser::loop},
      {"if", &Parser::branch},
      {"macro", &Parser::macro},
      {"call", &Parser::call_block},
      {"filter", &Parser::filter_block},
      {"with", &Parser::with},
      {"block", &Parser::block},
      {"generation", &Parser::generation},
      {"autoescape", &Parser::autoescape},
      {"print", &Parser::print},
      {"include", &Parser::outside},
      {"import", &Parser::outside},
      {"from", &Parser::outside},
      {"extends", &Parser::outside},
  };
  for (const auto& [name, parse] : kStatements) {
    if (tokens_.is_name(name)) {
      return (this->*parse)();
    }
  }
  if (tokens_.is_name({"break", "continue"})) {
    StmtPtr stmt = make(tokens_.is_name("break") ? StmtKind::loop_break : StmtKind::loop_continue);
    tokens_.next();
    return stmt;
  }
  tokens_.fail(fmt::format("there is no statement '{}' here", tokens_.current().text));
}

StmtPtr Parser::set() {
  StmtPtr stmt = make(StmtKind::assign);
  tokens_.next();
  stmt->targets.push_back(expressions_.target(true));
  if (tokens_.skip_op("=")) {
    stmt->expr = expressions_.tuple();
    return stmt;
  }
  stmt->kind = StmtKind::assign_block;
  stmt->expr = expressions_.filters(nullptr, false);
  stmt->body = block_body("endset", "set", stmt->line);
  return stmt;
}

StmtPtr Parser::loop() {
  StmtPtr stmt = make(StmtKind::loop);
  tokens_.next();
  stmt->targets.push_back(expressions_.target(false, "in"));
  if (!tokens_.skip_name("in")) {
    tokens_.fail(fmt::format("expected 'in', got {}", tokens_.describe()));
  }
  stmt->expr = expressions_.tuple(false, "recursive");
  if (tokens_.skip_name("if")) {
    stmt->test = expressions_.expression();
    stmt->test_target = clone_target(*stmt->targets[0]);
  }
  stmt->recursive = tokens_.skip_name("recursive");
  tokens_.skip_op(":");
  tokens_.expect(Type::block_end, "'%}'");
  stmt->body = statements({"else", "endfor"}, "for", stmt->line);
  if (tokens_.next().text == "else") {
    stmt->otherwise = block_body("endfor", "for", stmt->line);
  }
  return stmt;
}

StmtPtr Parser::branch() {
  StmtPtr stmt = make(StmtKind::branch);
  const int line = stmt->line;
  tokens_.next();
  for (;;) {
    Stmt::Branch& branch = stmt->branches.emplace_back();
    branch.test = expressions_.tuple(false);
    tokens_.skip_op(":");
    tokens_.expect(Type::block_end, "'%}'");
    branch.body = statements({"elif", "else", "endif"}, "if", line);
    const std::string& end = tokens_.next().text;
    if (end == "endif") {
      return stmt;
    }
    if (end == "else") {
      stmt->branches.push_back({nullptr, block_body("endif", "if", line)});
      return stmt;
    }
  }
}

// (name, name=default, ...)
void Parser::signature(Stmt& stmt) {
  tokens_.expect_op("(");
  while (!tokens_.is_op(")")) {
    if (!stmt.parameters.empty()) {
      tokens_.expect_op(",");
    }
    Parameter parameter;
    parameter.name = expressions_.name_target()->name;
    for (const Parameter& other : stmt.parameters) {
      if (other.name == parameter.name) {
        tokens_.fail(fmt::format("'{}' is a parameter twice", parameter.name));
      }
    }
    if (tokens_.skip_op("=")) {
      parameter.fallback = expressions_.expression();
    } else if (!stmt.parameters.empty() && stmt.parameters.back().fallback) {
      tokens_.fail("a parameter without a default follows one that has one");
    }
    stmt.parameters.push_back(std::move(parameter));
  }
  tokens_.expect_op(")");
}

StmtPtr Parser::macro() {
  StmtPtr stmt = make(StmtKind::macro);
  tokens_.next();
  stmt->targets.push_back(expressions_.name_target());
  signature(*stmt);
  stmt->body = block_body("endmacro", "macro", stmt->line);
  return stmt;
}

StmtPtr Parser::call_block() {
  StmtPtr stmt = make(StmtKind::call_block);
  tokens_.next();
  if (tokens_.is_op("(")) {
    signature(*stmt);
  }
  stmt->expr = expressions_.expression();
  if (stmt->expr->kind != Expr::Kind::call) {
    tokens_.fail_at(stmt->line, "'call' needs a call");
  }
  stmt->body = block_body("endcall", "call", stmt->line);
  return stmt;
}

StmtPtr Parser::filter_block() {
  StmtPtr stmt = make(StmtKind::filter_block);
  tokens_.next();
  stmt->expr = expressions_.filters(nullptr, true);
  stmt->body = block_body("endfilter", "filter", stmt->line);
  return stmt;
}

StmtPtr Parser::with() {
  StmtPtr stmt = make(StmtKind::with);
  tokens_.next();
  while (!tokens_.is(Type::block_end)) {
    if (!stmt->targets.empty()) {
      tokens_.expect_op(",");
    }
    stmt->targets.push_back(expressions_.target());
    tokens_.expect_op("=");
    stmt->exprs.push_back(expressions_.expression());
  }
  stmt->body = block_body("endwith", "with", stmt->line);
  return stmt;
}

StmtPtr Parser::block() {
  StmtPtr stmt = make(StmtKind::block);
  tokens_.next();
  stmt->text = tokens_.expect_name();
  stmt->scoped = tokens_.skip_name("scoped");
  tokens_.skip_name("required");
  stmt->body = block_body("endblock", "block", stmt->line);
  tokens_.skip_name(stmt->text);
  return stmt;
}

StmtPtr Parser::generation() {
  StmtPtr stmt = make(StmtKind::generation);
  tokens_.next();
  stmt->body = block_body("endgeneration", "generation", stmt->line);
  return stmt;
}

StmtPtr Parser::autoescape() {
  StmtPtr stmt = make(StmtKind::scope);
  tokens_.next();
  stmt->expr = expressions_.expression();
  stmt->body = block_body("endautoescape", "autoescape", stmt->line);
  return stmt;
}

StmtPtr Parser::print() {
  StmtPtr stmt = make(StmtKind::output);
  tokens_.next();
  while (!tokens_.is(Type::block_end)) {
    if (!stmt->exprs.empty()) {
      tokens_.expect_op(",");
    }
    stmt->exprs.push_back(expressions_.expression());
  }
  return stmt;
}

// Other templates: there are none, which is an error once it is reached.
StmtPtr Parser::outside() {
  StmtPtr stmt = make(StmtKind::outside);
  stmt->text = tokens_.next().text;
  while (!tokens_.is(Type::block_end) && !tokens_.is(Type::end)) {
    tokens_.next();
  }
  return stmt;
}

}  // namespace dstorch::text::jinja
