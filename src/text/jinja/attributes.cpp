#include "text/jinja/attributes.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"
#include "text/jinja/runtime.h"
#include "text/utf8.h"

namespace dstorch::text::jinja {
namespace {

using Type = Value::Type;

// Methods that would change a list or a dict: the sandbox hides them.
bool is_hidden(const Value& value, std::string_view name) {
  constexpr std::string_view kList[] = {"append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"};
  constexpr std::string_view kDict[] = {"clear", "pop", "popitem", "setdefault", "update"};
  return value.is(Type::list)   ? std::find(std::begin(kList), std::end(kList), name) != std::end(kList)
         : value.is(Type::dict) ? std::find(std::begin(kDict), std::end(kDict), name) != std::end(kDict)
                                : false;
}

std::string_view owner_name(Runtime& runtime, const Value& value) {
  return value.is(Type::none) ? "None" : runtime.arena.copy(fmt::format("{} object", type_name(value)));
}

// What Python's getattr finds; nothing where it would raise.
std::optional<Value> own_attribute(Runtime& runtime, const Value& value, std::string_view name) {
  if (is_hidden(value, name)) {
    return runtime.undefined_because(
        fmt::format("access to attribute '{}' of '{}' object is unsafe", name, type_name(value)));
  }
  if (value.is(Type::object)) {
    return value.object->attribute(runtime, name);
  }
  if (value.is(Type::tuple) && value.list->names != nullptr) {
    for (std::size_t i = 0; i < value.list->items.size(); ++i) {
      if (value.list->names[i] == name) {
        return value.list->items[i];
      }
    }
  }
  const Function::Body method = value.is_string()      ? find_string_method(name)
                                : value.is_sequence()  ? find_list_method(name)
                                : value.is(Type::dict) ? find_dict_method(name)
                                                       : nullptr;
  if (method == nullptr || (value.is(Type::tuple) && name == "copy")) {
    return std::nullopt;
  }
  return Value::of(runtime.arena.make<Function>(runtime.arena.copy(name), method, value));
}

std::optional<Value> own_item(Runtime& runtime, const Value& value, const Value& key) {
  if (value.is(Type::dict)) {
    if (key.is(Type::list) || key.is(Type::dict)) {
      return std::nullopt;
    }
    const Value* found = value.dict->find(runtime, key);
    return found == nullptr ? std::nullopt : std::optional<Value>(*found);
  }
  if (value.is(Type::object)) {
    return value.object->item(runtime, key);
  }
  if (!key.is_int() || !(value.is_sequence() || value.is_string())) {
    return std::nullopt;
  }
  const int64_t size = length(runtime, value);
  const int64_t index = key.as_int() < 0 ? key.as_int() + size : key.as_int();
  if (index < 0 || index >= size) {
    return std::nullopt;
  }
  if (value.is_sequence()) {
    return value.list->items[static_cast<std::size_t>(index)];
  }
  const std::string_view text = value.text();
  if (static_cast<int64_t>(text.size()) != size) {
    runtime.charge(static_cast<std::size_t>(index) / 8);
  }
  const std::size_t at =
      static_cast<int64_t>(text.size()) == size ? static_cast<std::size_t>(index) : byte_of_point(text, index);
  return runtime.view(text.substr(at, utf8_length(text[at])), value.str->safe);
}

struct Steps {
  int64_t first = 0;
  int64_t count = 0;
  int64_t step = 1;
};

// Python's slice.indices.
Steps slice_steps(Runtime& runtime, int64_t size, const Value& start, const Value& stop, const Value& step) {
  Steps steps;
  const auto given = [](const Value& value) { return !value.is(Type::none); };
  steps.step = given(step) ? to_index(runtime, step, "a slice") : 1;
  if (steps.step == 0) {
    runtime.fail("a slice's step cannot be zero");
  }
  steps.step = std::max(steps.step, -INT64_MAX);
  const bool back = steps.step < 0;
  const auto bound = [&](const Value& value, int64_t absent) {
    if (!given(value)) {
      return absent;
    }
    const int64_t index = to_index(runtime, value, "a slice");
    return std::clamp(index < 0 ? index + size : index, back ? int64_t{-1} : int64_t{0}, back ? size - 1 : size);
  };
  steps.first = bound(start, back ? size - 1 : 0);
  const int64_t end = bound(stop, back ? -1 : size);
  const int64_t distance = back ? steps.first - end : end - steps.first;
  const int64_t width = back ? -steps.step : steps.step;
  steps.count = distance <= 0 ? 0 : 1 + (distance - 1) / width;
  return steps;
}

Value slice_list(Runtime& runtime, const Value& value, const Steps& steps) {
  List* list = runtime.list();
  runtime.charge(static_cast<std::size_t>(steps.count));
  list->items.reserve(static_cast<std::size_t>(steps.count));
  for (int64_t i = 0; i < steps.count; ++i) {
    list->items.push_back(value.list->items[static_cast<std::size_t>(steps.first + i * steps.step)]);
  }
  return Value::of(list, value.is(Type::tuple));
}

Value slice_text(Runtime& runtime, const Value& value, const Steps& steps) {
  const std::string_view text = value.text();
  if (steps.count == 0) {
    return runtime.view("", value.str->safe);
  }
  const bool ascii = count_points(*value.str) == static_cast<int64_t>(text.size());
  runtime.charge(ascii ? 1 : 1 + text.size() / 8);
  if (steps.step == 1) {
    const std::size_t begin = ascii ? static_cast<std::size_t>(steps.first) : byte_of_point(text, steps.first);
    const std::string_view rest = text.substr(begin);
    return runtime.view(
        rest.substr(0, ascii ? static_cast<std::size_t>(steps.count) : byte_of_point(rest, steps.count)),
        value.str->safe);
  }
  std::vector<std::size_t> begins;
  for (std::size_t at = 0; at < text.size(); at += utf8_length(text[at])) {
    begins.push_back(at);
  }
  std::string out;
  for (int64_t i = 0; i < steps.count; ++i) {
    const std::size_t at = begins[static_cast<std::size_t>(steps.first + i * steps.step)];
    out.append(text.substr(at, utf8_length(text[at])));
  }
  return runtime.text(out, value.str->safe);
}

}  // namespace

Value get_attribute(Runtime& runtime, const Value& value, std::string_view name) {
  if (value.is(Type::undefined)) {
    runtime.fail_undefined(*value.undefined);
  }
  if (const auto found = own_attribute(runtime, value, name)) {
    return *found;
  }
  if (value.is(Type::dict)) {
    if (const Value* found = value.dict->find(name)) {
      return *found;
    }
  }
  return runtime.undefined(name, owner_name(runtime, value));
}

Value get_item(Runtime& runtime, const Value& value, const Value& key) {
  if (value.is(Type::undefined)) {
    runtime.fail_undefined(*value.undefined);
  }
  if (const auto found = own_item(runtime, value, key)) {
    return *found;
  }
  if (key.is_string()) {
    if (const auto found = own_attribute(runtime, value, key.text())) {
      return *found;
    }
  }
  return runtime.undefined(to_text(runtime, key), owner_name(runtime, value));
}

Value get_slice(Runtime& runtime, const Value& value, const Value& start, const Value& stop, const Value& step) {
  if (value.is(Type::undefined)) {
    runtime.fail_undefined(*value.undefined);
  }
  auto* range = value.is(Type::object) ? dynamic_cast<Range*>(value.object) : nullptr;
  if (!value.is_sequence() && !value.is_string() && range == nullptr) {
    // Unlike a wrong key, which gives what is undefined.
    runtime.fail("'{}' has no slices", type_name(value));
  }
  const Steps steps = slice_steps(runtime, length(runtime, value), start, stop, step);
  if (range != nullptr) {
    return range->slice(runtime, steps.first, steps.count, steps.step);
  }
  return value.is_string() ? slice_text(runtime, value, steps) : slice_list(runtime, value, steps);
}

}  // namespace dstorch::text::jinja
