#include "text/jinja/scopes.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "text/jinja/lexer.h"
#include "text/jinja/symbols.h"
#include "text/jinja/walk.h"

namespace dstorch::text::jinja {
namespace {

using StmtKind = Stmt::Kind;

/// First pass over one scope: which names it reads and assigns. Stops at scopes inside it.
class SymbolReader {
 public:
  explicit SymbolReader(Symbols& symbols) : symbols_(&symbols) {}

  void body(const Body& statements) {
    for (const StmtPtr& stmt : statements) {
      statement(*stmt);
    }
  }

  void reads(const Expr& expr) {
    walk(expr, [&](const Expr& part) {
      if (part.kind == Expr::Kind::name) {
        symbols_->load(part.name);
      }
    });
  }

  void reads(const ExprPtr& expr) {
    if (expr) {
      reads(*expr);
    }
  }

  void stores(const Expr& target) {
    walk(target, [&](const Expr& part) {
      if (part.kind == Expr::Kind::name) {
        symbols_->store(part.name);
      } else if (part.kind == Expr::Kind::namespace_name) {
        symbols_->load(part.name);
      }
    });
  }

 private:
  void statement(const Stmt& stmt) {
    switch (stmt.kind) {
      case StmtKind::output:
      case StmtKind::with:
        for (const ExprPtr& expr : stmt.exprs) {
          reads(expr);
        }
        break;
      case StmtKind::assign:
        reads(stmt.expr);
        stores(*stmt.targets[0]);
        break;
      case StmtKind::assign_block:
      case StmtKind::macro:
        stores(*stmt.targets[0]);
        break;
      case StmtKind::loop:
      case StmtKind::call_block:
        reads(stmt.expr);
        break;
      case StmtKind::filter_block:
        filter(stmt.expr);
        break;
      case StmtKind::branch:
        branches(stmt);
        break;
      default:
        break;
    }
  }

  // The innermost filter of a block has no value of its own.
  void filter(const ExprPtr& expr) {
    for (const Expr* at = expr.get(); at != nullptr; at = at->operands[0].get()) {
      for_each_argument(at->args, [&](const Expr& value) { reads(value); });
    }
  }

  // `elif` is an `if` inside the first one's `else`, as far as names go.
  void branches(const Stmt& stmt) {
    Symbols* before = symbols_;
    reads(stmt.branches[0].test);
    Symbols first = *before;
    Symbols elifs = *before;
    Symbols last = *before;
    const auto inside = [&](Symbols& symbols, const auto& look) {
      symbols_ = &symbols;
      look();
      symbols_ = before;
    };
    inside(first, [&] { body(stmt.branches[0].body); });
    inside(elifs, [&] {
      for (std::size_t i = 1; i < stmt.branches.size(); ++i) {
        if (stmt.branches[i].test) {
          reads(stmt.branches[i].test);
          Symbols* outer = symbols_;
          Symbols taken = *outer;
          symbols_ = &taken;
          body(stmt.branches[i].body);
          symbols_ = outer;
          outer->merge_branches({taken});
        }
      }
    });
    if (!stmt.branches.back().test) {
      inside(last, [&] { body(stmt.branches.back().body); });
    }
    before->merge_branches({first, elifs, last});
  }

  Symbols* symbols_;
};

/// Second pass: gives every name its variable, scope by scope.
class Resolver {
 public:
  Resolver(Program& program, std::string_view name) : program_(program), name_(name) {}

  void run() {
    FunctionScope function;
    Symbols symbols(function, nullptr);
    SymbolReader(symbols).body(program_.body);
    body(program_.body, {&symbols, true, false, false});
    program_.scope = symbols.scope();
    program_.slots = function.slots;
    program_.has_blocks = !blocks_.empty();
  }

 private:
  struct Frame {
    Symbols* symbols;
    /// The template's own scope.
    bool top;
    /// Inside an `if`: filters that do not exist fail only when they are reached.
    bool soft;
    /// Inside a loop of the same function.
    bool looping;

    [[nodiscard]] Frame inside(Symbols& inner) const { return {&inner, false, false, looping}; }
    [[nodiscard]] Frame softly() const { return {symbols, top, true, looping}; }
  };

  void body(Body& statements, const Frame& frame) {
    for (const StmtPtr& stmt : statements) {
      statement(*stmt, frame);
    }
  }

  void expr(const ExprPtr& root, const Frame& frame) {
    if (root) {
      expr(*root, frame);
    }
  }

  // Names, filters and tests inside `node`.
  void expr(Expr& node, const Frame& frame) {
    if (node.kind == Expr::Kind::name || node.kind == Expr::Kind::namespace_name) {
      node.variable = frame.symbols->find(node.name);
    } else if (node.kind == Expr::Kind::filter && node.filter == nullptr && !frame.soft) {
      fail_syntax(name_, node.line, fmt::format("there is no filter '{}'", node.name));
    } else if (node.kind == Expr::Kind::test && node.test == nullptr && !frame.soft) {
      fail_syntax(name_, node.line, fmt::format("there is no test '{}'", node.name));
    }
    const Frame inner = node.kind == Expr::Kind::conditional ? frame.softly() : frame;
    for (const ExprPtr& operand : node.operands) {
      expr(operand, inner);
    }
    for (const ExprPtr& value : node.args.positional) {
      expr(value, inner);
    }
    for (const auto& named : node.args.named) {
      expr(named.second, inner);
    }
    expr(node.args.more_positional, inner);
    expr(node.args.more_named, inner);
  }

  void statement(Stmt& stmt, const Frame& frame) {
    switch (stmt.kind) {
      case StmtKind::output:
        for (const ExprPtr& value : stmt.exprs) {
          expr(value, frame);
        }
        return;
      case StmtKind::assign:
        expr(stmt.expr, frame);
        expr(stmt.targets[0], frame);
        stmt.exported = frame.top;
        return;
      case StmtKind::branch:
        for (Stmt::Branch& branch : stmt.branches) {
          expr(branch.test, frame.softly());
          body(branch.body, frame.softly());
        }
        return;
      case StmtKind::assign_block:
      case StmtKind::filter_block:
        captured(stmt, frame);
        return;
      case StmtKind::loop:
        loop(stmt, frame);
        return;
      case StmtKind::macro:
        expr(stmt.targets[0], frame);
        stmt.exported = frame.top;
        macro(stmt, frame);
        return;
      case StmtKind::call_block:
        macro(stmt, frame);
        expr(stmt.expr, frame);
        return;
      case StmtKind::generation:
        macro(stmt, frame);
        return;
      case StmtKind::with:
      case StmtKind::scope:
        with(stmt, frame);
        return;
      case StmtKind::block:
        block(stmt, frame);
        return;
      case StmtKind::loop_break:
      case StmtKind::loop_continue:
        if (!frame.looping) {
          fail_syntax(name_, stmt.line, "'break' and 'continue' belong into a loop");
        }
        return;
      default:
        return;
    }
  }

  void captured(Stmt& stmt, const Frame& frame) {
    Symbols symbols = inner(frame);
    SymbolReader reader(symbols);
    reader.body(stmt.body);
    const Frame inside = frame.inside(symbols);
    body(stmt.body, inside);
    if (stmt.kind == StmtKind::assign_block) {
      expr(stmt.targets[0], frame);
      stmt.exported = frame.top;
    }
    if (stmt.expr) {
      reader.reads(*stmt.expr);
      expr(stmt.expr, inside);
    }
    stmt.scope = symbols.scope();
  }

  void with(Stmt& stmt, const Frame& frame) {
    Symbols symbols = inner(frame);
    SymbolReader reader(symbols);
    for (const ExprPtr& target : stmt.targets) {
      reader.stores(*target);
    }
    reader.body(stmt.body);
    for (const ExprPtr& value : stmt.exprs) {
      expr(value, frame);
    }
    const Frame inside = frame.inside(symbols);
    for (const ExprPtr& target : stmt.targets) {
      expr(target, inside);
    }
    if (stmt.expr) {
      reader.reads(*stmt.expr);
      expr(stmt.expr, inside);
    }
    body(stmt.body, inside);
    stmt.scope = symbols.scope();
  }

  static Symbols inner(const Frame& frame) { return {frame.symbols->function(), frame.symbols}; }

  static void declare(Symbols& symbols, const Expr& target) {
    walk(target, [&](const Expr& part) {
      if (part.kind == Expr::Kind::name) {
        symbols.declare_parameter(part.name);
      }
    });
  }

  void loop(Stmt& stmt, const Frame& frame) {
    if (const int line = line_of_store(stmt, "loop")) {
      fail_syntax(name_, line, "'loop' cannot be assigned to inside a loop");
    }
    expr(stmt.expr, frame);
    FunctionScope own{frame.symbols->function().depth + 1, 0};
    FunctionScope& function = stmt.recursive ? own : frame.symbols->function();
    Symbols symbols(function, frame.symbols);
    if (stmt.recursive || !find_undeclared(stmt.body, {"loop"}).empty()) {
      stmt.loop_slot = symbols.declare_parameter("loop");
    }
    declare(symbols, *stmt.targets[0]);
    SymbolReader(symbols).body(stmt.body);
    const Frame inside{&symbols, false, false, true};
    expr(stmt.targets[0], inside);
    body(stmt.body, inside);
    stmt.scope = symbols.scope();
    loop_test(stmt, function, frame);
    Symbols otherwise(function, frame.symbols);
    SymbolReader(otherwise).body(stmt.otherwise);
    body(stmt.otherwise, {&otherwise, false, false, frame.looping && !stmt.recursive});
    stmt.else_scope = otherwise.scope();
    stmt.slots = function.slots;
  }

  void loop_test(Stmt& stmt, FunctionScope& function, const Frame& frame) {
    if (!stmt.test) {
      return;
    }
    Symbols symbols(function, frame.symbols);
    declare(symbols, *stmt.test_target);
    SymbolReader(symbols).reads(*stmt.test);
    const Frame inside{&symbols, false, false, false};
    expr(stmt.test_target, inside);
    expr(stmt.test, inside);
    stmt.test_scope = symbols.scope();
  }

  void macro(Stmt& stmt, const Frame& frame) {
    FunctionScope function{frame.symbols->function().depth + 1, 0};
    Symbols symbols(function, frame.symbols);
    SymbolReader reader(symbols);
    const auto has = [&](std::string_view name) {
      return std::any_of(stmt.parameters.begin(), stmt.parameters.end(),
                         [&](const Parameter& parameter) { return parameter.name == name; });
    };
    for (Parameter& parameter : stmt.parameters) {
      parameter.slot = symbols.declare_parameter(parameter.name);
      reader.reads(parameter.fallback);
    }
    const auto special = find_undeclared(stmt.body, {"caller", "kwargs", "varargs"});
    const auto declare_special = [&](const char* name) {
      return special.contains(name) && !has(name) ? symbols.declare_parameter(name) : -1;
    };
    for (const Parameter& parameter : stmt.parameters) {
      if (parameter.name == "caller" && !parameter.fallback && special.contains("caller")) {
        fail_syntax(name_, stmt.line, "a parameter 'caller' needs a default");
      }
    }
    stmt.extras.caller = declare_special("caller");
    stmt.extras.named = declare_special("kwargs");
    stmt.extras.positional = declare_special("varargs");
    reader.body(stmt.body);
    const Frame inside{&symbols, false, false, false};
    for (Parameter& parameter : stmt.parameters) {
      expr(parameter.fallback, inside);
    }
    body(stmt.body, inside);
    stmt.scope = symbols.scope();
    stmt.slots = function.slots;
  }

  // A block sees nothing around it but what the template was given and what its top assigned, unless it is `scoped`.
  void block(Stmt& stmt, const Frame& frame) {
    if (!blocks_.insert(stmt.text).second) {
      fail_syntax(name_, stmt.line, fmt::format("there are two blocks '{}'", stmt.text));
    }
    FunctionScope function{frame.symbols->function().depth + 1, 0};
    Symbols symbols(function, stmt.scoped ? frame.symbols : nullptr);
    SymbolReader(symbols).body(stmt.body);
    body(stmt.body, {&symbols, false, false, false});
    stmt.scope = symbols.scope();
    stmt.slots = function.slots;
  }

  Program& program_;
  std::string_view name_;
  std::set<std::string> blocks_;
};

}  // namespace

void resolve_scopes(Program& program, std::string_view name) { Resolver(program, name).run(); }

}  // namespace dstorch::text::jinja
