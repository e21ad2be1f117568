// Statements.
#include "text/jinja/evaluator.h"
#include "text/jinja/objects.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"

namespace dstorch::text::jinja {

using StmtKind = Stmt::Kind;
using Type = Value::Type;

std::string Evaluator::run() {
  exported_ = runtime_.dict();
  current_ = runtime_.arena.make<Activation>(nullptr, program_.slots, runtime_.arena.memory());
  enter_scope(program_.scope);
  execute(program_.body);
  return std::move(root_);
}

void Evaluator::write(std::string_view text) {
  out_->append(text);
  runtime_.check_text(out_->size());
  runtime_.charge(1 + text.size() / 64);
}

void Evaluator::enter_scope(const Scope& scope) {
  for (const ScopeLoad& load : scope.loads) {
    Value& value = current_->slots[static_cast<std::size_t>(load.slot)];
    switch (load.kind) {
      case ScopeLoad::Kind::resolve:
        value = resolve(load.name);
        break;
      case ScopeLoad::Kind::alias:
        value = slot(load.source);
        break;
      case ScopeLoad::Kind::undefined:
        value = Value();
        break;
    }
  }
}

Evaluator::Flow Evaluator::execute(const Body& body) {
  for (const StmtPtr& stmt : body) {
    const Flow flow = execute(*stmt);
    if (flow != Flow::normal) {
      return flow;
    }
  }
  return Flow::normal;
}

Evaluator::Flow Evaluator::execute(const Stmt& stmt) {
  const Runtime::Level level(runtime_);
  runtime_.line = stmt.line;
  switch (stmt.kind) {
    case StmtKind::text:
      write(stmt.text);
      return Flow::normal;
    case StmtKind::output:
      output(stmt);
      return Flow::normal;
    case StmtKind::assign:
      assign(stmt);
      return Flow::normal;
    case StmtKind::assign_block:
      return assign_block(stmt);
    case StmtKind::loop:
      return loop(stmt);
    case StmtKind::branch:
      return branch(stmt);
    case StmtKind::macro:
      assign(*stmt.targets[0], Value::of(runtime_.arena.make<Macro>(*this, stmt, current_)));
      export_variables(stmt);
      return Flow::normal;
    case StmtKind::call_block:
      call_block(stmt);
      return Flow::normal;
    case StmtKind::generation:
      generation(stmt);
      return Flow::normal;
    case StmtKind::filter_block:
      return filter_block(stmt);
    case StmtKind::with:
    case StmtKind::scope:
      return with(stmt);
    case StmtKind::block:
      block(stmt);
      return Flow::normal;
    case StmtKind::loop_break:
      return Flow::broken;
    case StmtKind::loop_continue:
      return Flow::continued;
    case StmtKind::outside:
      runtime_.fail("'{}' reaches for another template, and there is none", stmt.text);
  }
  return Flow::normal;
}

void Evaluator::output(const Stmt& stmt) {
  for (const ExprPtr& expr : stmt.exprs) {
    const Value value = evaluate(*expr);
    if (value.is_string()) {
      write(value.text());
    } else {
      write(to_text(runtime_, value));
    }
  }
}

Evaluator::Flow Evaluator::branch(const Stmt& stmt) {
  for (const Stmt::Branch& branch : stmt.branches) {
    if (!branch.test || truth(runtime_, evaluate(*branch.test))) {
      return execute(branch.body);
    }
  }
  return Flow::normal;
}

void Evaluator::assign(const Stmt& stmt) {
  assign(*stmt.targets[0], evaluate(*stmt.expr));
  export_variables(stmt);
}

void Evaluator::assign(const Expr& target, const Value& value) {
  if (target.kind == Expr::Kind::name) {
    slot(target.variable) = value;
    return;
  }
  if (target.kind == Expr::Kind::namespace_name) {
    const Value space = load(target);
    auto* attributes = space.is(Type::object) ? dynamic_cast<Namespace*>(space.object) : nullptr;
    if (attributes == nullptr) {
      runtime_.fail("'{}.{}' cannot be set: '{}' is no namespace", target.name, target.attribute, target.name);
    }
    attributes->set(runtime_, target.attribute, value);
    return;
  }
  const List* values = to_list(runtime_, value);
  if (values->items.size() != target.operands.size()) {
    runtime_.fail("{} values cannot be assigned to {} names", values->items.size(), target.operands.size());
  }
  for (std::size_t i = 0; i < values->items.size(); ++i) {
    assign(*target.operands[i], values->items[i]);
  }
}

// Blocks see what the template's top assigned.
void Evaluator::export_variables(const Stmt& stmt) {
  if (!program_.has_blocks || !stmt.exported) {
    return;
  }
  const auto one = [&](const Expr& target) {
    if (target.kind == Expr::Kind::name) {
      exported_->set(runtime_, runtime_.view(target.name), slot(target.variable));
    }
  };
  one(*stmt.targets[0]);
  for (const ExprPtr& target : stmt.targets[0]->operands) {
    one(*target);
  }
}

Evaluator::Flow Evaluator::capture(const Body& body, std::string& text) {
  std::string* before = std::exchange(out_, &text);
  const Flow flow = execute(body);
  out_ = before;
  return flow;
}

Evaluator::Flow Evaluator::assign_block(const Stmt& stmt) {
  enter_scope(stmt.scope);
  std::string text;
  const Flow flow = capture(stmt.body, text);
  if (flow != Flow::normal) {
    return flow;
  }
  Value value = runtime_.text(text);
  if (stmt.expr) {
    value = filter(*stmt.expr, &value);
  }
  assign(*stmt.targets[0], value);
  export_variables(stmt);
  return Flow::normal;
}

Evaluator::Flow Evaluator::filter_block(const Stmt& stmt) {
  enter_scope(stmt.scope);
  std::string text;
  const Flow flow = capture(stmt.body, text);
  if (flow == Flow::normal) {
    const Value value = runtime_.text(text);
    write(to_text(runtime_, filter(*stmt.expr, &value)));
  }
  return flow;
}

Evaluator::Flow Evaluator::with(const Stmt& stmt) {
  enter_scope(stmt.scope);
  for (std::size_t i = 0; i < stmt.targets.size(); ++i) {
    assign(*stmt.targets[i], evaluate(*stmt.exprs[i]));
  }
  if (stmt.kind == StmtKind::scope && truth(runtime_, evaluate(*stmt.expr))) {
    runtime_.unsupported("autoescape");
  }
  return execute(stmt.body);
}

void Evaluator::call_block(const Stmt& stmt) {
  const Value caller = Value::of(runtime_.arena.make<Macro>(*this, stmt, current_));
  write(to_text(runtime_, call(*stmt.expr, &caller)));
}

void Evaluator::generation(const Stmt& stmt) {
  const std::size_t begin = root_.size();
  const bool at_root = out_ == &root_;
  write(render_macro(stmt, current_, {}));
  if (at_root) {
    generated.emplace_back(begin, root_.size());
  }
}

void Evaluator::block(const Stmt& stmt) {
  Activation* before =
      std::exchange(current_, runtime_.arena.make<Activation>(current_, stmt.slots, runtime_.arena.memory()));
  enter_scope(stmt.scope);
  execute(stmt.body);
  current_ = before;
}

}  // namespace dstorch::text::jinja
