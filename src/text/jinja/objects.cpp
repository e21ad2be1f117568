#include "text/jinja/objects.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"
#include "text/jinja/runtime.h"

namespace dstorch::text::jinja {
namespace {

using Type = Value::Type;

class RangeIterator : public Iterator {
 public:
  explicit RangeIterator(Range& range, int64_t count) : range_(range), count_(count) {}
  bool next(Value& value) override {
    if (at_ >= count_) {
      return false;
    }
    value = range_.at(at_++);
    return true;
  }

 private:
  Range& range_;
  int64_t count_;
  int64_t at_ = 0;
};

class EntryIterator : public Iterator {
 public:
  EntryIterator(Runtime& runtime, const Dict& dict, DictView::Kind kind)
      : runtime_(runtime), dict_(dict), kind_(kind) {}
  bool next(Value& value) override {
    if (at_ >= dict_.entries().size()) {
      return false;
    }
    const auto& [key, mapped] = dict_.entries()[at_++];
    value = kind_ == DictView::Kind::keys     ? key
            : kind_ == DictView::Kind::values ? mapped
                                              : runtime_.tuple({key, mapped});
    return true;
  }

 private:
  Runtime& runtime_;
  const Dict& dict_;
  DictView::Kind kind_;
  std::size_t at_ = 0;
};

}  // namespace

std::string_view type_name(const Value& value) {
  switch (value.type) {
    case Type::missing:
    case Type::undefined:
      return "Undefined";
    case Type::none:
      return "NoneType";
    case Type::boolean:
      return "bool";
    case Type::integer:
      return "int";
    case Type::real:
      return "float";
    case Type::string:
      return value.str->safe ? "Markup" : "str";
    case Type::list:
      return "list";
    case Type::tuple:
      return "tuple";
    case Type::dict:
      return "dict";
    case Type::object:
      return value.object->type_name();
  }
  return "?";
}

// What Python prints has an address in it, which differs every time.
std::string_view Object::print(Runtime& runtime) { return runtime.arena.copy(fmt::format("<{} object>", type_name())); }

Value Object::call(Runtime& runtime, const Args& /*args*/) { runtime.fail("'{}' cannot be called", type_name()); }

std::string_view Namespace::print(Runtime& runtime) {
  return to_text(runtime, runtime.text(fmt::format("<Namespace {}>", to_text(runtime, Value::of(attributes_)))));
}

std::optional<Value> Namespace::attribute(Runtime& /*runtime*/, std::string_view name) {
  const Value* value = attributes_->find(name);
  return value == nullptr ? std::nullopt : std::optional<Value>(*value);
}

void Namespace::set(Runtime& runtime, std::string_view name, const Value& value) {
  attributes_->set(runtime, runtime.view(name), value);
}

std::string_view Function::print(Runtime& runtime) {
  return runtime.arena.copy(fmt::format("<built-in function {}>", name_));
}

std::string_view Range::print(Runtime& runtime) {
  return runtime.arena.copy(step_ == 1 ? fmt::format("range({}, {})", start_, stop_)
                                       : fmt::format("range({}, {}, {})", start_, stop_, step_));
}

Value Range::slice(Runtime& runtime, int64_t first, int64_t count, int64_t step) const {
  const int64_t start = moved(start_, first, step_);
  const int64_t width = moved(0, step, step_);
  return Value::of(runtime.arena.make<Range>(start, moved(start, count, width), width, count));
}

Iterator* Range::iterate(Runtime& runtime) { return runtime.arena.make<RangeIterator>(*this, count_); }

std::optional<Value> Range::item(Runtime& /*runtime*/, const Value& index) {
  if (!index.is_int()) {
    return std::nullopt;
  }
  const int64_t i = index.as_int() < 0 ? index.as_int() + count_ : index.as_int();
  return i >= 0 && i < count_ ? std::optional<Value>(at(i)) : std::nullopt;
}

std::string_view DictView::type_name() const {
  return kind_ == Kind::keys ? "dict_keys" : kind_ == Kind::values ? "dict_values" : "dict_items";
}

std::string_view DictView::print(Runtime& runtime) {
  const Value list = Value::of(to_list(runtime, Value::of(this)));
  return to_text(runtime, runtime.text(fmt::format("{}({})", type_name(), to_text(runtime, list))));
}

Iterator* DictView::iterate(Runtime& runtime) { return runtime.arena.make<EntryIterator>(runtime, dict_, kind_); }

Bound::Bound(Runtime& runtime, std::string_view function, const Args& args,
             std::initializer_list<std::string_view> names, std::size_t required)
    : runtime_(runtime), function_(function) {
  if (args.count > names.size()) {
    runtime.fail("{}() takes at most {} arguments, {} were given", function, names.size(), args.count);
  }
  for (std::size_t i = 0; i < args.count; ++i) {
    values_[i] = &args.positional[i];
  }
  for (const auto& [name, value] : std::span(args.named, args.named_count)) {
    const auto i = static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
    if (i == names.size()) {
      runtime.fail("{}() has no argument '{}'", function, name);
    }
    if (values_[i] != nullptr) {
      runtime.fail("{}() was given '{}' twice", function, name);
    }
    values_[i] = &value;
  }
  for (std::size_t i = 0; i < required; ++i) {
    if (values_[i] == nullptr) {
      runtime.fail("{}() needs '{}'", function, names.begin()[i]);
    }
  }
}

int64_t Bound::index(std::size_t i, int64_t fallback) const {
  return has(i) ? to_index(runtime_, *values_[i], function_) : fallback;
}

std::string_view Bound::text(std::size_t i, std::string_view fallback) const {
  if (!has(i)) {
    return fallback;
  }
  if (values_[i]->is(Type::undefined)) {
    runtime_.fail_undefined(*values_[i]->undefined);
  }
  if (!values_[i]->is_string()) {
    runtime_.fail("{}() needs text, not {}", function_, type_name(*values_[i]));
  }
  return values_[i]->text();
}

bool Bound::flag(std::size_t i, bool fallback) const { return has(i) ? truth(runtime_, *values_[i]) : fallback; }

}  // namespace dstorch::text::jinja
