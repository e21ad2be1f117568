#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "core/json.h"
#include "dstorch/chat.h"
#include "text/chat/message_json.h"

namespace dstorch {
namespace {

using text::shown;

constexpr auto kNoSchema = ErrorKind::invalid_argument;
constexpr std::string_view kTypes[] = {"string", "number", "integer", "boolean", "object", "array", "null"};

void check_schema(const OrderedJson& schema, const std::string& where);

void check_type(const OrderedJson& type, const std::string& where) {
  const auto known = [](const OrderedJson& name) {
    return name.is_string() &&
           std::find(std::begin(kTypes), std::end(kTypes), name.get_ref<const std::string&>()) != std::end(kTypes);
  };
  const bool right = type.is_array() ? !type.empty() && std::all_of(type.begin(), type.end(), known) : known(type);
  require(right, kNoSchema, "{}: \"type\" must be {}, or a list of them; it is {}", where, fmt::join(kTypes, ", "),
          shown(type));
}

/// The schemas in an object, by name.
void check_named(const OrderedJson& schemas, const std::string& where) {
  require(schemas.is_object(), kNoSchema, "{} must be an object, it is {}", where, shown(schemas));
  for (const auto& [name, schema] : schemas.items()) {
    check_schema(schema, fmt::format("{}.{}", where, name));
  }
}

void check_list(const OrderedJson& schemas, const std::string& where) {
  require(schemas.is_array() && !schemas.empty(), kNoSchema, "{} must be a list of schemas, it is {}", where,
          shown(schemas));
  for (std::size_t i = 0; i < schemas.size(); ++i) {
    check_schema(schemas[i], fmt::format("{}[{}]", where, i));
  }
}

void check_required(const OrderedJson& names, const std::string& where) {
  const bool right =
      names.is_array() && std::all_of(names.begin(), names.end(), [](const auto& name) { return name.is_string(); });
  require(right, kNoSchema, "{} must be a list of names, it is {}", where, shown(names));
}

bool is_count(const OrderedJson& value) {
  return value.is_number_unsigned() || (value.is_number_float() && value.get<double>() >= 0 &&
                                        std::floor(value.get<double>()) == value.get<double>());
}

/// Words whose value is one thing, and what it must be.
struct PlainWord {
  std::string_view must;
  bool (*is)(const OrderedJson&);
};

const std::map<std::string, PlainWord>& plain_words() {
  static const std::map<std::string, PlainWord> known_words = [] {
    constexpr PlainWord kText{"text", [](const OrderedJson& value) { return value.is_string(); }};
    constexpr PlainWord kNumber{"a number", [](const OrderedJson& value) { return value.is_number(); }};
    constexpr PlainWord kCount{"a whole number that is not negative", is_count};
    constexpr PlainWord kList{"a list", [](const OrderedJson& value) { return value.is_array(); }};
    constexpr PlainWord kFlag{"true or false", [](const OrderedJson& value) { return value.is_boolean(); }};
    return std::map<std::string, PlainWord>{
        {"pattern", kText},   {"format", kText},       {"$ref", kText},           {"minimum", kNumber},
        {"maximum", kNumber}, {"multipleOf", kNumber}, {"minLength", kCount},     {"maxLength", kCount},
        {"minItems", kCount}, {"maxItems", kCount},    {"minProperties", kCount}, {"maxProperties", kCount},
        {"enum", kList},      {"uniqueItems", kFlag},
    };
  }();
  return known_words;
}

void check_keyword(const std::string& key, const OrderedJson& value, const std::string& where) {
  const std::string place = where + "." + key;
  if (key == "type") {
    check_type(value, where);
  } else if (key == "properties" || key == "patternProperties" || key == "$defs" || key == "definitions") {
    check_named(value, place);
  } else if (key == "anyOf" || key == "oneOf" || key == "allOf" || key == "prefixItems" ||
             (key == "items" && value.is_array())) {
    check_list(value, place);
  } else if (key == "items" || key == "additionalProperties" || key == "propertyNames" || key == "not") {
    check_schema(value, place);
  } else if (key == "required") {
    check_required(value, place);
  } else if (const auto word = plain_words().find(key); word != plain_words().end()) {
    require(word->second.is(value), kNoSchema, "{} must be {}, it is {}", place, word->second.must, shown(value));
  }
}

void check_schema(const OrderedJson& schema, const std::string& where) {
  if (schema.is_boolean()) {
    return;
  }
  require(schema.is_object(), kNoSchema, "{} must be a JSON schema, an object; it is {}", where, shown(schema));
  for (const auto& [key, value] : schema.items()) {
    check_keyword(key, value, where);
  }
}

}  // namespace

void check_tools(std::span<const Tool> tools) {
  const OrderedJson all = text::tools_to_json(tools);
  std::set<std::string> names;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const OrderedJson& function = all[i].contains("function") ? all[i]["function"] : all[i];
    const bool named = function.is_object() && function.contains("name") && function["name"].is_string();
    const std::string name = named ? function["name"].get<std::string>() : std::string();
    require(!name.empty(), kNoSchema, "tool {} must have a \"name\", it is {}", i, shown(all[i]));
    require(names.insert(name).second, kNoSchema, "tool {} \"{}\": another tool has this name", i, name);
    const auto parameters = function.find("parameters");
    if (parameters == function.end() || parameters->is_null()) {
      continue;
    }
    const std::string where = fmt::format("tool {} \"{}\": parameters", i, name);
    require(parameters->is_object(), kNoSchema, "{} must be a JSON schema, an object; it is {}", where,
            shown(*parameters));
    const auto type = parameters->find("type");
    require(type == parameters->end() || *type == "object", kNoSchema, "{}: \"type\" must be \"object\", it is {}",
            where, type == parameters->end() ? std::string() : shown(*type));
    check_schema(*parameters, where);
  }
}

}  // namespace dstorch
