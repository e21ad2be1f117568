#include "text/jinja/walk.h"

namespace dstorch::text::jinja {
namespace {

using StmtKind = Stmt::Kind;

/// Looks through a body in the order in which it is written.
class NameSearch {
 public:
  NameSearch(std::initializer_list<std::string_view> names) : names_(names.begin(), names.end()) {}

  std::set<std::string> found;

  void body(const Body& statements) {
    for (const StmtPtr& stmt : statements) {
      statement(*stmt);
    }
  }

 private:
  void read(const ExprPtr& expr) {
    if (expr) {
      walk(*expr, [&](const Expr& part) {
        if (part.kind == Expr::Kind::name && names_.contains(part.name)) {
          found.insert(part.name);
        }
      });
    }
  }

  void write(const Expr& target) {
    walk(target, [&](const Expr& part) { names_.erase(part.name); });
  }

  void statement(const Stmt& stmt) {
    if (stmt.kind == StmtKind::block) {
      return;
    }
    for (const Parameter& parameter : stmt.parameters) {
      names_.erase(parameter.name);
      read(parameter.fallback);
    }
    // In Jinja's order: what is assigned to comes before the value.
    for (const ExprPtr& target : stmt.targets) {
      if (stmt.kind != StmtKind::macro) {
        write(*target);
      }
    }
    read(stmt.expr);
    for (const ExprPtr& expr : stmt.exprs) {
      read(expr);
    }
    body(stmt.body);
    for (const Stmt::Branch& branch : stmt.branches) {
      read(branch.test);
      body(branch.body);
    }
    body(stmt.otherwise);
    read(stmt.test);
  }

  std::set<std::string, std::less<>> names_;
};

int line_in_body(const Body& body, std::string_view name) {
  for (const StmtPtr& stmt : body) {
    if (const int line = line_of_store(*stmt, name)) {
      return line;
    }
  }
  return 0;
}

}  // namespace

void for_each_argument(const CallArgs& args, const std::function<void(const Expr&)>& visit) {
  for (const ExprPtr& value : args.positional) {
    visit(*value);
  }
  for (const auto& named : args.named) {
    visit(*named.second);
  }
  for (const ExprPtr* more : {&args.more_positional, &args.more_named}) {
    if (*more) {
      visit(**more);
    }
  }
}

void walk(const Expr& expr, const std::function<void(const Expr&)>& visit) {
  visit(expr);
  for (const ExprPtr& operand : expr.operands) {
    if (operand) {
      walk(*operand, visit);
    }
  }
  for_each_argument(expr.args, [&](const Expr& value) { walk(value, visit); });
}

std::set<std::string> find_undeclared(const Body& body, std::initializer_list<std::string_view> names) {
  NameSearch search(names);
  search.body(body);
  return search.found;
}

int line_of_store(const Stmt& stmt, std::string_view name) {
  int line = 0;
  if (stmt.kind != StmtKind::macro && stmt.kind != StmtKind::with) {
    for (const ExprPtr& target : stmt.targets) {
      walk(*target,
           [&](const Expr& part) { line = part.kind == Expr::Kind::name && part.name == name ? part.line : line; });
    }
  }
  line = line != 0 ? line : line_in_body(stmt.body, name);
  line = line != 0 ? line : line_in_body(stmt.otherwise, name);
  for (const Stmt::Branch& branch : stmt.branches) {
    line = line != 0 ? line : line_in_body(branch.body, name);
  }
  return line;
}

}  // namespace dstorch::text::jinja
