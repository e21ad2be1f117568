#include "text/constraint/schema_words.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <set>
#include <utility>
#include <vector>

#include "core/throw.h"
#include "text/constraint/effort.h"
#include "text/constraint/formats.h"

namespace dstorch::text::constraint {
namespace {

[[noreturn]] void fail_word(const std::string& word, std::string_view must) {
  fail(ErrorKind::format, "the JSON schema: \"{}\" must be {}", word, must);
}

int64_t count_of(const std::string& word, const OrderedJson& value) {
  if (value.is_number_unsigned() && value.get<uint64_t>() < (uint64_t{1} << 53U)) {
    return static_cast<int64_t>(value.get<uint64_t>());
  }
  if (value.is_number_float() && value.get<double>() >= 0 && value.get<double>() < 0x1p53 &&
      value.get<double>() == static_cast<double>(static_cast<int64_t>(value.get<double>()))) {
    return static_cast<int64_t>(value.get<double>());
  }
  fail_word(word, "a whole number that is not negative");
}

Decimal number_of(const std::string& word, const OrderedJson& value) {
  if (!value.is_number()) {
    fail_word(word, "a number");
  }
  return Decimal::parse(value.dump());
}

const OrderedJson& schemas_of(const std::string& word, const OrderedJson& value) {
  if (!value.is_object()) {
    fail_word(word, "an object of schemas");
  }
  for (const auto& [name, schema] : value.items()) {
    schema_of(word, schema);
  }
  return value;
}

struct TypeName {
  uint8_t types;
  bool integer;
};

TypeName type_of(const OrderedJson& name) {
  static const std::map<std::string, TypeName> known_types = {
      {"null", {null_type, false}},     {"boolean", {boolean_type, false}}, {"number", {number_type, false}},
      {"integer", {number_type, true}}, {"string", {string_type, false}},   {"array", {array_type, false}},
      {"object", {object_type, false}}};
  const auto found = name.is_string() ? known_types.find(name.get<std::string>()) : known_types.end();
  if (found == known_types.end()) {
    fail_word("type", "null, boolean, integer, number, string, array or object, or a list of these");
  }
  return found->second;
}

void add_types(SchemaNode& node, const OrderedJson& value) {
  if (value.is_array() && value.empty()) {
    fail_word("type", "a type, or a list that is not empty");
  }
  uint8_t types = 0;
  bool whole = true;
  for (const auto& name : value.is_array() ? value : OrderedJson::array({value})) {
    const auto type = type_of(name);
    types = static_cast<uint8_t>(types | type.types);
    whole = whole && (type.types != number_type || type.integer);
  }
  node.types = static_cast<uint8_t>(node.types & types);
  node.number.integer = node.number.integer || ((types & number_type) != 0 && whole);
}

struct ByValue {
  bool operator()(const OrderedJson* a, const OrderedJson* b) const { return *a < *b; }
};

// Those of `values` that are held already, each once.
void add_values(SchemaNode& node, const OrderedJson& values) {
  std::set<const OrderedJson*, ByValue> held;
  if (node.values) {
    for (const auto& value : *node.values) {
      held.insert(&value);
    }
  }
  std::set<const OrderedJson*, ByValue> seen;
  std::vector<OrderedJson> kept;
  for (const auto& value : values) {
    spend(50);
    if ((!node.values || held.contains(&value)) && seen.insert(&value).second) {
      kept.push_back(value);
    }
  }
  node.values = std::move(kept);
}

void add_minimum(NumberLimits& limits, Decimal value, bool excluded) {
  const int order = limits.minimum ? compare(value, *limits.minimum) : 1;
  limits.above_minimum = order == 0 ? limits.above_minimum || excluded : order > 0 ? excluded : limits.above_minimum;
  limits.minimum = order > 0 ? std::move(value) : std::move(limits.minimum);
}

void add_maximum(NumberLimits& limits, Decimal value, bool excluded) {
  const int order = limits.maximum ? compare(value, *limits.maximum) : -1;
  limits.below_maximum = order == 0 ? limits.below_maximum || excluded : order < 0 ? excluded : limits.below_maximum;
  limits.maximum = order < 0 ? std::move(value) : std::move(limits.maximum);
}

// The least number that both divide. Throws LMError{unsupported} when it has too many digits.
Decimal common_multiple(const Decimal& a, const Decimal& b) {
  const auto scale = std::max(a.fraction.size(), b.fraction.size());
  const auto scaled = [&](const Decimal& number) {
    auto digits = number.whole + number.fraction + std::string(scale - number.fraction.size(), '0');
    int64_t value = 0;
    require(digits.size() <= 9, ErrorKind::unsupported, "the JSON schema: multipleOf {} has too many digits",
            number.text());
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return value;
  };
  const auto multiple = std::lcm(scaled(a), scaled(b));
  return Decimal::parse(std::to_string(multiple) + "e-" + std::to_string(scale));
}

void add_multiple(NumberLimits& limits, const Decimal& step) {
  if (step.zero() || step.negative) {
    fail_word("multipleOf", "a number above 0");
  }
  limits.multiple_of = limits.multiple_of ? common_multiple(*limits.multiple_of, step) : step;
}

void add_required(SchemaNode& node, const OrderedJson& names) {
  if (!names.is_array()) {
    fail_word("required", "a list of names");
  }
  for (const auto& entry : names) {
    const auto name = text_of("required", entry);
    spend(1 + static_cast<int64_t>(node.required.size()));
    if (std::find(node.required.begin(), node.required.end(), name) == node.required.end()) {
      node.required.push_back(name);
    }
  }
}

void at_least(int64_t& limit, int64_t value) { limit = std::max(limit, value); }
void at_most(int64_t& limit, int64_t value) { limit = std::min(limit, value); }

}  // namespace

const OrderedJson& schema_of(const std::string& word, const OrderedJson& value) {
  if (!value.is_object() && !value.is_boolean()) {
    fail_word(word, "a schema: an object, true or false");
  }
  return value;
}

const OrderedJson& list_of(const std::string& word, const OrderedJson& value) {
  if (!value.is_array() || value.empty()) {
    fail_word(word, "a list of schemas");
  }
  for (const auto& schema : value) {
    schema_of(word, schema);
  }
  return value;
}

std::string text_of(const std::string& word, const OrderedJson& value) {
  if (!value.is_string()) {
    fail_word(word, "a string");
  }
  return value.get<std::string>();
}

const std::map<std::string, SchemaWord>& schema_words() {
  static const std::map<std::string, SchemaWord> known_words = {
      {"type", [](auto& node, const auto&, const auto& v) { add_types(node, v); }},
      {"const", [](auto& node, const auto&, const auto& v) { add_values(node, OrderedJson::array({v})); }},
      {"enum",
       [](auto& node, const auto& word, const auto& v) {
         if (!v.is_array() || v.empty()) {
           fail_word(word, "a list of values");
         }
         add_values(node, v);
       }},
      {"minimum", [](auto& node, const auto& w, const auto& v) { add_minimum(node.number, number_of(w, v), false); }},
      {"exclusiveMinimum",
       [](auto& node, const auto& w, const auto& v) { add_minimum(node.number, number_of(w, v), true); }},
      {"maximum", [](auto& node, const auto& w, const auto& v) { add_maximum(node.number, number_of(w, v), false); }},
      {"exclusiveMaximum",
       [](auto& node, const auto& w, const auto& v) { add_maximum(node.number, number_of(w, v), true); }},
      {"multipleOf", [](auto& node, const auto& w, const auto& v) { add_multiple(node.number, number_of(w, v)); }},
      {"minLength", [](auto& node, const auto& w, const auto& v) { at_least(node.min_length, count_of(w, v)); }},
      {"maxLength", [](auto& node, const auto& w, const auto& v) { at_most(node.max_length, count_of(w, v)); }},
      {"pattern", [](auto& node, const auto& w, const auto& v) { node.patterns.push_back(text_of(w, v)); }},
      {"format",
       [](auto& node, const auto& w, const auto& v) {
         node.formats.push_back(text_of(w, v));
         format_language(node.formats.back());  // known, whatever the type
       }},
      {"minItems", [](auto& node, const auto& w, const auto& v) { at_least(node.min_items, count_of(w, v)); }},
      {"maxItems", [](auto& node, const auto& w, const auto& v) { at_most(node.max_items, count_of(w, v)); }},
      {"uniqueItems",
       [](auto& node, const auto& word, const auto& v) {
         if (!v.is_boolean()) {
           fail_word(word, "true or false");
         }
         node.unique_items = node.unique_items || v.template get<bool>();
       }},
      {"minProperties",
       [](auto& node, const auto& w, const auto& v) { at_least(node.min_properties, count_of(w, v)); }},
      {"maxProperties", [](auto& node, const auto& w, const auto& v) { at_most(node.max_properties, count_of(w, v)); }},
      {"required", [](auto& node, const auto&, const auto& v) { add_required(node, v); }},
      {"propertyNames",
       [](auto& node, const auto& w, const auto& v) { node.property_names.push_back(&schema_of(w, v)); }},
      {"prefixItems",
       [](auto& node, const auto& w, const auto& v) {
         for (const auto& schema : list_of(w, v)) {
           node.items.back().prefix.push_back(&schema);
         }
       }},
      {"items", [](auto& node, const auto& w, const auto& v) { node.items.back().rest = &schema_of(w, v); }},
      {"properties",
       [](auto& node, const auto& w, const auto& v) { node.properties.back().named = &schemas_of(w, v); }},
      {"patternProperties",
       [](auto& node, const auto& w, const auto& v) { node.properties.back().patterns = &schemas_of(w, v); }},
      {"additionalProperties",
       [](auto& node, const auto& w, const auto& v) { node.properties.back().additional = &schema_of(w, v); }},
  };
  return known_words;
}

bool is_annotation(const std::string& word) {
  static const std::vector<std::string> known_words = {"title",    "description", "default", "examples",
                                                       "$comment", "$schema",     "$id",     "deprecated",
                                                       "readOnly", "writeOnly",   "$defs",   "definitions"};
  return std::find(known_words.begin(), known_words.end(), word) != known_words.end();
}

}  // namespace dstorch::text::constraint
