#include "text/constraint/schema_node.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <set>

#include "core/json_shape.h"
#include "core/throw.h"
#include "text/constraint/effort.h"
#include "text/constraint/formats.h"
#include "text/constraint/regex_parser.h"

namespace dstorch::text::constraint {
namespace {

constexpr int kMostReferences = 64;
constexpr std::size_t kMostBytes = std::size_t{4} << 20U;
constexpr std::size_t kMostMembers = 4000;
constexpr std::size_t kMostShown = 200;

[[noreturn]] void fail_word(const std::string& word, std::string_view must) {
  fail(ErrorKind::format, "the JSON schema: \"{}\" must be {}", word, must);
}

std::string pattern_named(const std::string& pattern) {
  const bool whole = pattern.size() <= kMostShown;
  return "the JSON schema: pattern \"" + (whole ? pattern : pattern.substr(0, kMostShown) + "...") + "\"";
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

const OrderedJson& schema_of(const std::string& word, const OrderedJson& value) {
  if (!value.is_object() && !value.is_boolean()) {
    fail_word(word, "a schema: an object, true or false");
  }
  return value;
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

using Word = std::function<void(SchemaNode&, const std::string&, const OrderedJson&)>;

void at_least(int64_t& limit, int64_t value) { limit = std::max(limit, value); }
void at_most(int64_t& limit, int64_t value) { limit = std::min(limit, value); }

const std::map<std::string, Word>& words() {
  static const std::map<std::string, Word> known_words = {
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

CharDfa make_string_dfa(const SchemaNode& node) {
  CharDfa dfa = complement(CharDfa{});
  if (node.min_length > 0 || node.max_length != kUnbounded) {
    dfa = length_dfa(node.min_length, node.max_length);
  }
  for (const auto& format : node.formats) {
    dfa = intersect(dfa, make_dfa(format_language(format), "format " + format), "format " + format);
  }
  for (const auto& pattern : node.patterns) {
    const auto where = pattern_named(pattern);
    dfa = intersect(dfa, find_dfa(parse_regex(pattern, where), where), where);
  }
  return dfa;
}

bool is_annotation(const std::string& word) {
  static const std::vector<std::string> known_words = {"title",    "description", "default", "examples",
                                                       "$comment", "$schema",     "$id",     "deprecated",
                                                       "readOnly", "writeOnly",   "$defs",   "definitions"};
  return std::find(known_words.begin(), known_words.end(), word) != known_words.end();
}

}  // namespace

SchemaReader::SchemaReader(std::string_view text) {
  require(text.size() <= kMostBytes, ErrorKind::unsupported, "the JSON schema must have at most {} bytes, got {}",
          kMostBytes, text.size());
  parse_json(text, "the JSON schema");  // says what is wrong with it
  // An ordered object looks through all its members for each new one.
  const auto members = json_shape(text, kMaxJsonDepth).members;
  require(members <= kMostMembers, ErrorKind::unsupported,
          "the JSON schema: an object must have at most {} members, got {}", kMostMembers, members);
  document_ = OrderedJson::parse(text);
}

const OrderedJson& SchemaReader::target(const std::string& reference) const {
  require(reference.starts_with('#'), ErrorKind::unsupported,
          "the JSON schema: $ref \"{}\" is not supported; it must refer to a part of the same schema, as "
          "\"#/$defs/name\" does",
          reference);
  try {
    std::string pointer;  // the part of a URI: "%25" is "%"
    for (std::size_t at = 1; at < reference.size(); ++at) {
      unsigned byte = 0;
      if (reference[at] == '%' && at + 2 < reference.size() &&
          std::from_chars(&reference[at + 1], &reference[at + 1] + 2, byte, 16).ptr == &reference[at + 1] + 2) {
        pointer += static_cast<char>(byte);
        at += 2;
      } else {
        pointer += reference[at];
      }
    }
    return schema_of("$ref", document_.at(OrderedJson::json_pointer(pointer)));
  } catch (const OrderedJson::exception&) {
    fail(ErrorKind::format, "the JSON schema: $ref \"{}\" refers to nothing in it", reference);
  }
}

const OrderedJson* SchemaReader::resolve(const OrderedJson* schema) const {
  for (int i = 0; i < kMostReferences; ++i) {
    if (!schema->is_object() || !schema->contains("$ref")) {
      return schema;
    }
    for (const auto& [word, value] : schema->items()) {
      if (word != "$ref" && !is_annotation(word)) {
        return schema;
      }
    }
    schema = &target(text_of("$ref", schema->at("$ref")));
  }
  fail(ErrorKind::format, "the JSON schema: $ref \"{}\" leads to itself", schema->at("$ref").dump());
}

void SchemaReader::add(SchemaNode& node, const OrderedJson& schema, int depth) const {
  require(depth < kMostReferences, ErrorKind::format,
          "the JSON schema: a $ref or allOf leads to itself, or nests too deep");
  schema_of("a schema", schema);
  if (schema.is_boolean()) {
    node.types = schema.get<bool>() ? node.types : 0;
    return;
  }
  if (!node.read.contains(&schema)) {
    add_words(node, schema, depth);
    node.read.insert(&schema);  // now that it has not led to itself
  }
}

void SchemaReader::add_words(SchemaNode& node, const OrderedJson& schema, int depth) const {
  spend(100);
  const auto has = [&](const char* word) { return schema.contains(word); };
  if (has("prefixItems") || has("items")) {
    node.items.emplace_back();
  }
  if (has("properties") || has("patternProperties") || has("additionalProperties")) {
    node.properties.emplace_back();
  }
  for (const auto& [word, value] : schema.items()) {
    if (const auto known = words().find(word); known != words().end()) {
      known->second(node, word, value);
    } else if (word == "anyOf" || word == "oneOf") {
      SchemaNode::Alternatives alternatives{word == "oneOf", {}};
      for (const auto& alternative : list_of(word, value)) {
        alternatives.schemas.push_back(&alternative);
      }
      node.alternatives.push_back(std::move(alternatives));
    } else {
      require(word == "allOf" || word == "$ref" || is_annotation(word), ErrorKind::unsupported,
              "the JSON schema: \"{}\" is not supported", word);
    }
  }
  // These add entries of their own.
  if (has("$ref")) {
    add(node, target(text_of("$ref", schema["$ref"])), depth + 1);
  }
  if (has("allOf")) {
    for (const auto& part : list_of("allOf", schema["allOf"])) {
      add(node, part, depth + 1);
    }
  }
}

SchemaNode SchemaReader::read(const Schemas& schemas) const {
  SchemaNode node;
  for (const auto* schema : schemas) {
    add(node, *schema);
  }
  return node;
}

Schemas SchemaReader::of_property(const SchemaNode& node, const std::string& name) {
  Schemas schemas;
  for (const auto& layer : node.properties) {
    spend(5 + static_cast<int64_t>(layer.named != nullptr ? layer.named->size() : 0));
    bool evaluated = false;
    if (layer.named != nullptr && layer.named->contains(name)) {
      schemas.push_back(&layer.named->at(name));
      evaluated = true;
    }
    if (layer.patterns != nullptr) {
      for (const auto& [pattern, schema] : layer.patterns->items()) {
        spend(500);
        if (matches_pattern(pattern, name)) {
          schemas.push_back(&schema);
          evaluated = true;
        }
      }
    }
    if (!evaluated && layer.additional != nullptr) {
      schemas.push_back(layer.additional);
    }
  }
  return schemas;
}

Schemas SchemaReader::of_item(const SchemaNode& node, std::size_t index) {
  Schemas schemas;
  for (const auto& layer : node.items) {
    if (index < layer.prefix.size()) {
      schemas.push_back(layer.prefix[index]);
    } else if (layer.rest != nullptr) {
      schemas.push_back(layer.rest);
    }
  }
  return schemas;
}

const CharDfa& SchemaReader::string_dfa(const SchemaNode& node) const {
  const auto [known, added] =
      string_dfas_.try_emplace({node.min_length, node.max_length, node.formats, node.patterns}, CharDfa{});
  if (added) {
    known->second = make_string_dfa(node);
  }
  return known->second;
}

bool matches_pattern(const std::string& pattern, const std::string& text) {
  const auto where = pattern_named(pattern);
  return find_dfa(parse_regex(pattern, where), where).accepts(text);
}

}  // namespace dstorch::text::constraint
