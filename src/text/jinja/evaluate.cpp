// Expressions.
#include <algorithm>

#include "text/jinja/attributes.h"
#include "text/jinja/evaluator.h"
#include "text/jinja/functions.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"

namespace dstorch::text::jinja {

using Kind = Expr::Kind;
using Type = Value::Type;

struct Evaluator::Arguments {
  Arguments(Evaluator& evaluator, const CallArgs& args, const Value* caller);

  [[nodiscard]] Args view() const { return {positional.data(), positional.size(), named.data(), named.size()}; }

  std::vector<Value> positional;
  std::vector<std::pair<std::string_view, Value>> named;
};

Evaluator::Arguments::Arguments(Evaluator& evaluator, const CallArgs& args, const Value* caller) {
  positional.reserve(args.positional.size());
  for (const ExprPtr& value : args.positional) {
    positional.push_back(evaluator.evaluate(*value));
  }
  Runtime& runtime = evaluator.runtime_;
  if (args.more_positional) {
    const List* more = to_list(runtime, evaluator.evaluate(*args.more_positional));
    positional.insert(positional.end(), more->items.begin(), more->items.end());
  }
  named.reserve(args.named.size());
  for (const auto& [name, value] : args.named) {
    named.emplace_back(name, evaluator.evaluate(*value));
  }
  if (args.more_named) {
    const Value more = evaluator.evaluate(*args.more_named);
    if (!more.is(Type::dict)) {
      runtime.fail("'**' needs a mapping, not {}", type_name(more));
    }
    for (const auto& [key, value] : more.dict->entries()) {
      if (!key.is_string()) {
        runtime.fail("the names that '**' gives must be texts");
      }
      named.emplace_back(key.text(), value);
    }
  }
  if (caller != nullptr) {
    named.emplace_back("caller", *caller);
  }
}

Value Evaluator::evaluate(const Expr& expr) {
  const Runtime::Level level(runtime_);
  runtime_.charge(1);
  runtime_.line = expr.line;
  switch (expr.kind) {
    case Kind::constant:
      return expr.value;
    case Kind::name:
    case Kind::namespace_name:
      return load(expr);
    case Kind::list:
    case Kind::tuple:
      return make_sequence(expr);
    case Kind::dict:
      return make_dict(expr);
    case Kind::attribute:
      return get_attribute(runtime_, evaluate(*expr.operands[0]), expr.name);
    case Kind::item: {
      const Value object = evaluate(*expr.operands[0]);
      return get_item(runtime_, object, evaluate(*expr.operands[1]));
    }
    case Kind::slice:
      return slice(expr);
    case Kind::call:
      return call(expr);
    case Kind::filter:
      return filter(expr, nullptr);
    case Kind::test:
      return Value::of(test(expr));
    case Kind::negate:
      return negate(runtime_, evaluate(*expr.operands[0]));
    case Kind::plus:
      return plus(runtime_, evaluate(*expr.operands[0]));
    case Kind::logical_not:
      return Value::of(!truth(runtime_, evaluate(*expr.operands[0])));
    case Kind::logical_and: {
      const Value left = evaluate(*expr.operands[0]);
      return truth(runtime_, left) ? evaluate(*expr.operands[1]) : left;
    }
    case Kind::logical_or: {
      const Value left = evaluate(*expr.operands[0]);
      return truth(runtime_, left) ? left : evaluate(*expr.operands[1]);
    }
    case Kind::binary: {
      const Value left = evaluate(*expr.operands[0]);
      return binary(runtime_, expr.op, left, evaluate(*expr.operands[1]));
    }
    case Kind::concat:
      return concat(expr);
    case Kind::compare:
      return Value::of(compare_chain(expr));
    case Kind::conditional:
      return conditional(expr);
  }
  return Value::none();
}

Value Evaluator::evaluate_or_none(const ExprPtr& expr) { return expr ? evaluate(*expr) : Value::none(); }

Value& Evaluator::slot(const Variable& variable) {
  Activation* activation = current_;
  for (int i = 0; i < variable.hops; ++i) {
    activation = activation->outside;
  }
  return activation->slots[static_cast<std::size_t>(variable.slot)];
}

Value Evaluator::load(const Expr& expr) {
  const Value& value = slot(expr.variable);
  return value.is(Type::missing) ? runtime_.undefined(expr.name) : value;
}

// What the template was given, or what every template has; missing without either.
Value Evaluator::resolve(const std::string& name) {
  if (const Value* value = exported_->find(name)) {
    return *value;
  }
  if (const Value* value = variables_.find(name)) {
    return *value;
  }
  return find_global(runtime_, name).value_or(Value());
}

Value Evaluator::make_sequence(const Expr& expr) {
  List* list = runtime_.list();
  list->items.reserve(expr.operands.size());
  for (const ExprPtr& item : expr.operands) {
    list->items.push_back(evaluate(*item));
  }
  return Value::of(list, expr.kind == Kind::tuple);
}

Value Evaluator::make_dict(const Expr& expr) {
  Dict* dict = runtime_.dict();
  for (std::size_t i = 0; i < expr.operands.size(); i += 2) {
    const Value key = evaluate(*expr.operands[i]);
    dict->set(runtime_, key, evaluate(*expr.operands[i + 1]));
  }
  return Value::of(dict);
}

Value Evaluator::slice(const Expr& expr) {
  const Value object = evaluate(*expr.operands[0]);
  const bool constant = std::all_of(expr.operands.begin(), expr.operands.end(), [](const ExprPtr& operand) {
    return operand == nullptr || operand->kind == Expr::Kind::constant;
  });
  if (constant && !object.is_string()) {
    // Jinja2 computes constants while it compiles, by another rule: what has no slices is undefined, not an error.
    return runtime_.undefined("slice", "a constant");
  }
  const Value start = evaluate_or_none(expr.operands[1]);
  const Value stop = evaluate_or_none(expr.operands[2]);
  return get_slice(runtime_, object, start, stop, evaluate_or_none(expr.operands[3]));
}

Value Evaluator::concat(const Expr& expr) {
  std::string joined;
  for (const ExprPtr& part : expr.operands) {
    append_text(runtime_, evaluate(*part), joined);
    runtime_.check_text(joined.size());
  }
  return runtime_.text(joined);
}

bool Evaluator::compare_chain(const Expr& expr) {
  Value left = evaluate(*expr.operands[0]);
  for (std::size_t i = 0; i < expr.comparisons.size(); ++i) {
    const Value right = evaluate(*expr.operands[i + 1]);
    if (!compare(runtime_, expr.comparisons[i], left, right)) {
      return false;
    }
    left = right;
  }
  return true;
}

Value Evaluator::conditional(const Expr& expr) {
  if (truth(runtime_, evaluate(*expr.operands[0]))) {
    return evaluate(*expr.operands[1]);
  }
  return expr.operands[2] ? evaluate(*expr.operands[2])
                          : runtime_.undefined_because("the inline if-expression was false and has no else");
}

// `block`: the text that a filter block hands to its innermost filter.
Value Evaluator::filter(const Expr& expr, const Value* block) {
  const ExprPtr& inner = expr.operands[0];
  const Value value = inner == nullptr              ? *block
                      : inner->kind == Kind::filter ? filter(*inner, block)
                                                    : evaluate(*inner);
  if (expr.filter == nullptr) {
    runtime_.fail("there is no filter '{}'", expr.name);
  }
  const Arguments args(*this, expr.args, nullptr);
  runtime_.line = expr.line;
  return expr.filter(runtime_, value, args.view());
}

bool Evaluator::test(const Expr& expr) {
  const Value value = evaluate(*expr.operands[0]);
  if (expr.test == nullptr) {
    runtime_.fail("there is no test '{}'", expr.name);
  }
  const Arguments args(*this, expr.args, nullptr);
  return expr.test(runtime_, value, args.view());
}

Value Evaluator::call(const Expr& expr, const Value* caller) {
  const Value function = evaluate(*expr.operands[0]);
  const Arguments args(*this, expr.args, caller);
  runtime_.line = expr.line;
  if (function.is(Type::undefined)) {
    runtime_.fail_undefined(*function.undefined);
  }
  if (!function.is(Type::object)) {
    runtime_.fail("'{}' cannot be called", type_name(function));
  }
  return function.object->call(runtime_, args.view());
}

}  // namespace dstorch::text::jinja
