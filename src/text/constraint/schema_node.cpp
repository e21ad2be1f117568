#include "text/constraint/schema_node.h"

#include <charconv>

#include "core/json_shape.h"
#include "core/throw.h"
#include "text/constraint/effort.h"
#include "text/constraint/formats.h"
#include "text/constraint/regex_parser.h"
#include "text/constraint/schema_words.h"

namespace dstorch::text::constraint {
namespace {

constexpr int kMostReferences = 64;
constexpr std::size_t kMostBytes = std::size_t{4} << 20U;
constexpr std::size_t kMostMembers = 4000;
constexpr std::size_t kMostShown = 200;

std::string pattern_named(const std::string& pattern) {
  const bool whole = pattern.size() <= kMostShown;
  return "the JSON schema: pattern \"" + (whole ? pattern : pattern.substr(0, kMostShown) + "...") + "\"";
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
    if (const auto known = schema_words().find(word); known != schema_words().end()) {
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
