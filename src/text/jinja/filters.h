#pragma once

#include <string_view>

#include "text/jinja/value.h"

namespace dstorch::text::jinja {

class Runtime;

/// `value | filter(args)`.
using Filter = Value (*)(Runtime& runtime, const Value& value, const Args& args);
/// `value is test(args)`.
using Test = bool (*)(Runtime& runtime, const Value& value, const Args& args);

/// Null without a filter of this name.
Filter find_filter(std::string_view name);
/// Null without a test of this name.
Test find_test(std::string_view name);

struct NamedFilter {
  std::string_view name;
  Filter filter;
};

/// The filters by subject; each ends with one that has no name.
extern const NamedFilter kTextFilters[];
extern const NamedFilter kWordFilters[];
extern const NamedFilter kSequenceFilters[];
extern const NamedFilter kSelectFilters[];
extern const NamedFilter kNumberFilters[];

/// What a filter's `attribute` names: "name", 0 or "a.b.0". An empty key is the item itself.
class AttributeGetter {
 public:
  AttributeGetter(Runtime& runtime, const Value* attribute, const Value* fallback = nullptr);
  [[nodiscard]] Value operator()(const Value& item) const;

 private:
  Runtime& runtime_;
  std::pmr::vector<Value> parts_;
  const Value* fallback_;
};

/// Text in lower case, anything else as it is: how the filters compare unless told to heed case.
Value ignore_case(Runtime& runtime, const Value& value);

/// What json.dumps makes; transformers' `tojson`.
Value to_json(Runtime& runtime, const Value& value, const Args& args);

}  // namespace dstorch::text::jinja
