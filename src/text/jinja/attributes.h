#pragma once

#include <string_view>

#include "text/jinja/objects.h"
#include "text/jinja/value.h"

namespace dstorch::text::jinja {

class Runtime;

/// `value.name`: Python's attribute, else the item of that name, else undefined.
Value get_attribute(Runtime& runtime, const Value& value, std::string_view name);
/// `value[key]`: the item, else Python's attribute of that name, else undefined.
Value get_item(Runtime& runtime, const Value& value, const Value& key);
/// `value[start:stop:step]`; each may be none. Throws for what has no slices.
Value get_slice(Runtime& runtime, const Value& value, const Value& start, const Value& stop, const Value& step);

/// A method of the value's type. Null without one.
Function::Body find_string_method(std::string_view name);
Function::Body find_list_method(std::string_view name);
Function::Body find_dict_method(std::string_view name);

}  // namespace dstorch::text::jinja
