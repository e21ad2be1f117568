#include "text/jinja/filters.h"

#include <algorithm>
#include <charconv>
#include <unordered_map>

#include "text/jinja/attributes.h"
#include "text/jinja/operators.h"
#include "text/jinja/runtime.h"
#include "text/jinja/split_text.h"
#include "text/jinja/text_case.h"

namespace dstorch::text::jinja {

Filter find_filter(std::string_view name) {
  static const std::unordered_map<std::string_view, Filter> filters = [] {
    std::unordered_map<std::string_view, Filter> all;
    for (const NamedFilter* group : {kTextFilters, kWordFilters, kSequenceFilters, kSelectFilters, kNumberFilters}) {
      for (; !group->name.empty(); ++group) {
        all.emplace(group->name, group->filter);
      }
    }
    return all;
  }();
  const auto found = filters.find(name);
  return found == filters.end() ? nullptr : found->second;
}

AttributeGetter::AttributeGetter(Runtime& runtime, const Value* attribute, const Value* fallback)
    : runtime_(runtime), parts_(runtime.arena.memory()), fallback_(fallback) {
  if (attribute == nullptr || attribute->is(Value::Type::none)) {
    return;
  }
  if (!attribute->is_string()) {
    parts_.push_back(*attribute);
    return;
  }
  for (const std::string_view part : split_on(attribute->text(), ".", -1, false)) {
    int64_t index = 0;
    const auto parsed = std::from_chars(part.data(), part.data() + part.size(), index);
    const bool whole = is_digits(part) && parsed.ec == std::errc() && parsed.ptr == part.data() + part.size();
    parts_.push_back(whole ? Value::of(index) : runtime.text(part));
  }
}

Value AttributeGetter::operator()(const Value& item) const {
  Value value = item;
  for (const Value& part : parts_) {
    value = get_item(runtime_, value, part);
    if (value.is(Value::Type::undefined) && fallback_ != nullptr && !fallback_->is(Value::Type::none)) {
      value = *fallback_;
    }
  }
  return value;
}

Value ignore_case(Runtime& runtime, const Value& value) {
  return value.is_string() ? runtime.text(to_lower(value.text())) : value;
}

}  // namespace dstorch::text::jinja
