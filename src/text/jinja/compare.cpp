// Truth, equality, order and membership.
#include <algorithm>
#include <cmath>

#include "text/jinja/operators.h"
#include "text/jinja/runtime.h"

namespace dstorch::text::jinja {
namespace {

using Type = Value::Type;

bool equal_numbers(const Value& a, const Value& b) {
  return a.is_int() && b.is_int() ? a.as_int() == b.as_int() : a.as_real() == b.as_real();
}

bool equal_dicts(Runtime& runtime, const Dict& a, const Dict& b) {
  if (a.entries().size() != b.entries().size()) {
    return false;
  }
  return std::all_of(a.entries().begin(), a.entries().end(), [&](const Dict::Entry& entry) {
    const Value* other = b.find(runtime, entry.first);
    return other != nullptr && equal(runtime, entry.second, *other);
  });
}

bool equal_lists(Runtime& runtime, const List& a, const List& b) {
  return a.items.size() == b.items.size() &&
         std::equal(a.items.begin(), a.items.end(), b.items.begin(),
                    [&](const Value& x, const Value& y) { return equal(runtime, x, y); });
}

bool less_lists(Runtime& runtime, const List& a, const List& b) {
  const std::size_t common = std::min(a.items.size(), b.items.size());
  for (std::size_t i = 0; i < common; ++i) {
    if (!equal(runtime, a.items[i], b.items[i])) {
      return less(runtime, a.items[i], b.items[i]);
    }
  }
  return a.items.size() < b.items.size();
}

[[noreturn]] void fail_order(Runtime& runtime, const Value& a, const Value& b) {
  for (const Value* side : {&a, &b}) {
    if (side->is(Type::undefined)) {
      runtime.fail_undefined(*side->undefined);
    }
  }
  runtime.fail("'{}' and '{}' have no order", type_name(a), type_name(b));
}

}  // namespace

bool truth(Runtime& runtime, const Value& value) {
  switch (value.type) {
    case Type::missing:
    case Type::undefined:
    case Type::none:
      return false;
    case Type::boolean:
      return value.boolean;
    case Type::integer:
      return value.integer != 0;
    case Type::real:
      return value.real != 0;
    case Type::string:
      return !value.text().empty();
    case Type::list:
    case Type::tuple:
      return !value.list->items.empty();
    case Type::dict:
      return !value.dict->entries().empty();
    case Type::object:
      // What has no length is true.
      return value.object->length(runtime) != 0;
  }
  return false;
}

bool equal(Runtime& runtime, const Value& a, const Value& b) {
  if (a.is_string() && b.is_string()) {
    return a.text() == b.text();
  }
  if (a.is_number() && b.is_number()) {
    return equal_numbers(a, b);
  }
  if (a.type != b.type) {
    return false;
  }
  if (!a.is_sequence() && !a.is(Type::dict)) {
    return a.is(Type::object) ? a.object == b.object : true;
  }
  const Runtime::Level level(runtime);
  runtime.charge(1);
  return a.is(Type::dict) ? equal_dicts(runtime, *a.dict, *b.dict) : equal_lists(runtime, *a.list, *b.list);
}

bool identical(const Value& a, const Value& b) {
  if (a.type != b.type) {
    return false;
  }
  switch (a.type) {
    case Type::boolean:
      return a.boolean == b.boolean;
    case Type::integer:
      return a.integer == b.integer;
    case Type::real:
      return a.real == b.real;
    case Type::string:
      return a.text() == b.text();
    case Type::list:
    case Type::tuple:
      return a.list == b.list;
    case Type::dict:
      return a.dict == b.dict;
    case Type::object:
      return a.object == b.object;
    case Type::undefined:
      return a.undefined == b.undefined;
    default:
      return true;
  }
}

bool less(Runtime& runtime, const Value& a, const Value& b) {
  if (a.is_string() && b.is_string()) {
    // The order of UTF-8 bytes is that of code points.
    return a.text() < b.text();
  }
  if (a.is_number() && b.is_number()) {
    return a.is_int() && b.is_int() ? a.as_int() < b.as_int() : a.as_real() < b.as_real();
  }
  if (a.is_sequence() && a.type == b.type) {
    const Runtime::Level level(runtime);
    runtime.charge(1);
    return less_lists(runtime, *a.list, *b.list);
  }
  fail_order(runtime, a, b);
}

bool contains(Runtime& runtime, const Value& container, const Value& item) {
  if (container.is_string()) {
    if (!item.is_string()) {
      runtime.fail("'in <text>' needs text on its left, not {}", type_name(item));
    }
    runtime.charge(1 + container.text().size() / 64);
    return container.text().find(item.text()) != std::string_view::npos;
  }
  if (container.is(Type::dict)) {
    return container.dict->find(runtime, item) != nullptr;
  }
  if (container.is_sequence()) {
    runtime.charge(1 + container.list->items.size() / 4);
    return std::any_of(container.list->items.begin(), container.list->items.end(),
                       [&](const Value& other) { return equal(runtime, other, item); });
  }
  Iterator* values = iterate(runtime, container);
  for (Value value; values->next(value);) {
    if (equal(runtime, value, item)) {
      return true;
    }
  }
  return false;
}

bool compare(Runtime& runtime, CompareOp op, const Value& a, const Value& b) {
  const auto is_nan = [](const Value& value) { return value.is(Type::real) && std::isnan(value.real); };
  switch (op) {
    case CompareOp::equal:
      return equal(runtime, a, b);
    case CompareOp::not_equal:
      return !equal(runtime, a, b);
    case CompareOp::less:
      return less(runtime, a, b);
    case CompareOp::greater:
      return less(runtime, b, a);
    case CompareOp::less_equal:
      return !less(runtime, b, a) && !is_nan(a) && !is_nan(b);
    case CompareOp::greater_equal:
      return !less(runtime, a, b) && !is_nan(a) && !is_nan(b);
    case CompareOp::in:
      return contains(runtime, b, a);
    case CompareOp::not_in:
      return !contains(runtime, b, a);
  }
  return false;
}

}  // namespace dstorch::text::jinja
