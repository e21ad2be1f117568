// Loops: going through values, and what `loop` knows about it.
#include "text/jinja/evaluator.h"
#include "text/jinja/objects.h"
#include "text/jinja/operators.h"

namespace dstorch::text::jinja {

using Type = Value::Type;

/// Those of a loop's values for which its condition holds; looked at one by one as the loop goes on.
class FilteredItems : public Iterator {
 public:
  FilteredItems(Evaluator& evaluator, const Stmt& stmt, Iterator* inner)
      : evaluator_(evaluator), stmt_(stmt), inner_(inner), home_(evaluator.current_) {}

  bool next(Value& value) override {
    // `loop.last` may ask from inside a macro.
    Activation* before = std::exchange(evaluator_.current_, home_);
    bool found = false;
    while (!found && inner_->next(value)) {
      evaluator_.enter_scope(stmt_.test_scope);
      evaluator_.assign(*stmt_.test_target, value);
      found = truth(evaluator_.runtime_, evaluator_.evaluate(*stmt_.test));
    }
    evaluator_.current_ = before;
    return found;
  }

 private:
  Evaluator& evaluator_;
  const Stmt& stmt_;
  Iterator* inner_;
  Activation* home_;
};

Evaluator::Flow Evaluator::loop(const Stmt& stmt) {
  const Value values = evaluate(*stmt.expr);
  if (stmt.recursive) {
    write(render_recursive(stmt, current_, values, 0));
    return Flow::normal;
  }
  return run_loop(stmt, values, 0);
}

std::string Evaluator::render_recursive(const Stmt& stmt, Activation* outside, const Value& values, int64_t depth) {
  const Runtime::Level level(runtime_);
  std::string text;
  std::string* before_out = std::exchange(out_, &text);
  Activation* before =
      std::exchange(current_, runtime_.arena.make<Activation>(outside, stmt.slots, runtime_.arena.memory()));
  run_loop(stmt, values, depth);
  current_ = before;
  out_ = before_out;
  return text;
}

Evaluator::Flow Evaluator::run_loop(const Stmt& stmt, const Value& values, int64_t depth) {
  Iterator* items = iterate(runtime_, values);
  int64_t known_length = length_or_none(runtime_, values);
  if (stmt.test) {
    items = runtime_.arena.make<FilteredItems>(*this, stmt, items);
    known_length = -1;
  }
  auto* loop = runtime_.arena.make<Loop>(*this, stmt, current_->outside, items, known_length, depth);
  // As Jinja has it: only a body that was gone through to its end keeps `else` away.
  bool ran = false;
  for (Value value; loop->next(value);) {
    enter_scope(stmt.scope);
    if (stmt.loop_slot >= 0) {
      current_->slots[static_cast<std::size_t>(stmt.loop_slot)] = Value::of(loop);
    }
    assign(*stmt.targets[0], value);
    const Flow flow = execute(stmt.body);
    if (flow == Flow::broken) {
      break;
    }
    ran = ran || flow == Flow::normal;
  }
  if (ran || stmt.otherwise.empty()) {
    return Flow::normal;
  }
  enter_scope(stmt.else_scope);
  return execute(stmt.otherwise);
}

bool Loop::next(Value& value) {
  if (!after_.is(Type::missing)) {
    value = std::exchange(after_, Value());
  } else if (!values_->next(value)) {
    return false;
  }
  ++index_;
  before_ = current_;
  current_ = value;
  return true;
}

// Looks one value ahead; false at the end.
bool Loop::peek() {
  if (after_.is(Type::missing) && !values_->next(after_)) {
    // What was looked at and left out is no value of the loop.
    after_ = Value();
  }
  return !after_.is(Type::missing);
}

int64_t Loop::length(Runtime& runtime) {
  if (length_ < 0) {
    List* rest = runtime.list();
    for (Value value; values_->next(value);) {
      rest->items.push_back(value);
    }
    values_ = jinja::iterate(runtime, Value::of(rest));
    length_ = index_ + 1 + (after_.is(Type::missing) ? 0 : 1) + static_cast<int64_t>(rest->items.size());
  }
  return length_;
}

std::optional<Value> Loop::attribute(Runtime& runtime, std::string_view name) {
  if (name == "index") {
    return Value::of(index_ + 1);
  }
  if (name == "index0") {
    return Value::of(index_);
  }
  if (name == "first") {
    return Value::of(index_ == 0);
  }
  if (name == "last") {
    return Value::of(!peek());
  }
  if (name == "length") {
    return Value::of(length(runtime));
  }
  if (name == "revindex") {
    return Value::of(length(runtime) - index_);
  }
  if (name == "revindex0") {
    return Value::of(length(runtime) - index_ - 1);
  }
  if (name == "depth") {
    return Value::of(depth_ + 1);
  }
  if (name == "depth0") {
    return Value::of(depth_);
  }
  if (name == "previtem") {
    return index_ == 0 ? runtime.undefined_because("there is no previous item") : before_;
  }
  if (name == "nextitem") {
    return peek() ? after_ : runtime.undefined_because("there is no next item");
  }
  if (name == "cycle" || name == "changed") {
    const Function::Body body = name == "cycle" ? cycle : changed;
    return Value::of(runtime.arena.make<Function>(name == "cycle" ? "cycle" : "changed", body, Value::of(this)));
  }
  return std::nullopt;
}

Value Loop::cycle(Runtime& runtime, const Value& self, const Args& args) {
  if (args.count == 0 || args.named_count != 0) {
    runtime.fail("loop.cycle() needs values");
  }
  return args.positional[static_cast<std::size_t>(static_cast<Loop&>(*self.object).index_) % args.count];
}

Value Loop::changed(Runtime& runtime, const Value& self, const Args& args) {
  List* values = runtime.list();
  values->items.assign(args.positional, args.positional + args.count);
  auto& loop = static_cast<Loop&>(*self.object);
  const Value now = Value::of(values, true);
  const bool same = !loop.last_changed_.is(Type::missing) && equal(runtime, loop.last_changed_, now);
  loop.last_changed_ = now;
  return Value::of(!same);
}

Value Loop::call(Runtime& runtime, const Args& args) {
  if (!stmt_.recursive) {
    runtime.fail("only a loop that is marked 'recursive' can be called");
  }
  const Bound bound(runtime, "loop", args, {"iterable"}, 1);
  return runtime.text(evaluator_.render_recursive(stmt_, outside_, bound[0], depth_ + 1));
}

}  // namespace dstorch::text::jinja
