// Macros: binding a call's arguments as Jinja does, and rendering the body.
#include <algorithm>

#include "text/jinja/evaluator.h"
#include "text/jinja/operators.h"

namespace dstorch::text::jinja {

using Type = Value::Type;

std::string_view Macro::name() const {
  return stmt_.kind == Stmt::Kind::macro ? std::string_view(stmt_.targets[0]->name) : std::string_view("caller");
}

std::optional<Value> Macro::attribute(Runtime& runtime, std::string_view wanted) {
  if (wanted == "name") {
    return runtime.text(name());
  }
  if (wanted == "arguments") {
    List* names = runtime.list();
    for (const Parameter& parameter : stmt_.parameters) {
      names->items.push_back(runtime.view(parameter.name));
    }
    return Value::of(names, true);
  }
  if (wanted == "caller" || wanted == "catch_kwargs" || wanted == "catch_varargs") {
    const MacroExtras& extras = stmt_.extras;
    return Value::of((wanted == "caller"         ? extras.caller
                      : wanted == "catch_kwargs" ? extras.named
                                                 : extras.positional) >= 0);
  }
  return std::nullopt;
}

Value Macro::call(Runtime& runtime, const Args& args) {
  const MacroExtras& extras = stmt_.extras;
  std::vector<Value> values(static_cast<std::size_t>(stmt_.slots));
  std::vector<bool> used(args.named_count, false);
  const auto take = [&](std::string_view wanted) -> const Value* {
    for (std::size_t i = 0; i < args.named_count; ++i) {
      if (!used[i] && args.named[i].first == wanted) {
        used[i] = true;
        return &args.named[i].second;
      }
    }
    return nullptr;
  };
  const auto put = [&](int slot, const Value& value) { values[static_cast<std::size_t>(slot)] = value; };
  for (std::size_t i = 0; i < stmt_.parameters.size(); ++i) {
    const Parameter& parameter = stmt_.parameters[i];
    const Value* given = i < args.count ? &args.positional[i] : take(parameter.name);
    put(parameter.slot, given == nullptr ? Value() : *given);
  }
  if (extras.caller >= 0) {
    const Value* caller = take("caller");
    put(extras.caller,
        caller != nullptr && !caller->is(Type::none) ? *caller : runtime.undefined_because("No caller defined"));
  }
  Dict* named = runtime.dict();
  for (std::size_t i = 0; i < args.named_count; ++i) {
    if (used[i]) {
      continue;
    }
    if (extras.named < 0) {
      runtime.fail("macro '{}' has no argument '{}'", name(), args.named[i].first);
    }
    named->set(runtime, runtime.text(args.named[i].first), args.named[i].second);
  }
  List* rest = runtime.list();
  if (args.count > stmt_.parameters.size()) {
    if (extras.positional < 0) {
      runtime.fail("macro '{}' takes at most {} arguments, {} were given", name(), stmt_.parameters.size(), args.count);
    }
    rest->items.assign(args.positional + stmt_.parameters.size(), args.positional + args.count);
  }
  if (extras.named >= 0) {
    put(extras.named, Value::of(named));
  }
  if (extras.positional >= 0) {
    put(extras.positional, Value::of(rest, true));
  }
  return runtime.text(evaluator_.render_macro(stmt_, outside_, values));
}

// `values`: what the arguments put into the slots.
std::string Evaluator::render_macro(const Stmt& stmt, Activation* outside, const std::vector<Value>& values) {
  const Runtime::Level level(runtime_);
  runtime_.charge(static_cast<std::size_t>(stmt.slots));
  auto* activation = runtime_.arena.make<Activation>(outside, stmt.slots, runtime_.arena.memory());
  std::copy(values.begin(), values.end(), activation->slots.begin());
  Activation* before = std::exchange(current_, activation);
  enter_scope(stmt.scope);
  for (const Parameter& parameter : stmt.parameters) {
    Value& value = activation->slots[static_cast<std::size_t>(parameter.slot)];
    if (value.is(Type::missing)) {
      value = parameter.fallback ? evaluate(*parameter.fallback) : runtime_.undefined(parameter.name);
    }
  }
  std::string text;
  capture(stmt.body, text);
  current_ = before;
  return text;
}

}  // namespace dstorch::text::jinja
