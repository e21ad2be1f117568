// What a schema says of one value, and whether two can hold for the same.
#include <algorithm>
#include <set>

#include "core/throw.h"
#include "text/constraint/effort.h"
#include "text/constraint/schema_node.h"

namespace dstorch::text::constraint {
namespace {

constexpr std::size_t kMostAlternatives = 256;
constexpr int kMostNesting = 16;

int64_t length_of(const std::string& text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; });
}

uint8_t type_bit(const OrderedJson& value) {
  return value.is_null()      ? null_type
         : value.is_boolean() ? boolean_type
         : value.is_number()  ? number_type
         : value.is_string()  ? string_type
         : value.is_array()   ? array_type
                              : object_type;
}

bool accept_length(const SchemaNode& node, const std::string& text) {
  const auto length = length_of(text);
  return length >= node.min_length && length <= node.max_length;
}

bool numbers_disjoint(const SchemaNode& a, const SchemaNode& b) {
  const auto below = [](const NumberLimits& x, const NumberLimits& y) {
    if (!x.maximum || !y.minimum) {
      return false;
    }
    const int order = compare(*x.maximum, *y.minimum);
    return order < 0 || (order == 0 && (x.below_maximum || y.above_minimum));
  };
  return below(a.number, b.number) || below(b.number, a.number);
}

}  // namespace

bool SchemaReader::accept(const Schemas& schemas, const OrderedJson& value) const {
  spend(100);
  const auto nodes = expand(schemas);
  return std::any_of(nodes.begin(), nodes.end(), [&](const auto& node) { return accept(node, value); });
}

bool SchemaReader::accept(const SchemaNode& node, const OrderedJson& value) const {
  spend(20 + static_cast<int64_t>(node.values ? 2 * node.values->size() : 0));
  if ((node.types & type_bit(value)) == 0) {
    return false;
  }
  if (node.values && std::find(node.values->begin(), node.values->end(), value) == node.values->end()) {
    return false;
  }
  switch (type_bit(value)) {
    case number_type:
      return node.number.accept(Decimal::parse(value.dump()));
    case string_type:
      return accept_length(node, value.get_ref<const std::string&>()) &&
             ((node.patterns.empty() && node.formats.empty()) ||
              string_dfa(node).accepts(value.get_ref<const std::string&>()));
    case array_type:
      return accept_array(node, value);
    case object_type:
      return accept_object(node, value);
    default:
      return true;
  }
}

bool SchemaReader::accept_array(const SchemaNode& node, const OrderedJson& value) const {
  const auto count = static_cast<int64_t>(value.size());
  if (count < node.min_items || count > node.max_items) {
    return false;
  }
  for (std::size_t i = 0; i < value.size(); ++i) {
    spend(node.unique_items ? count : 0);
    if (!accept(of_item(node, i), value[i]) ||
        (node.unique_items && std::count(value.begin(), value.end(), value[i]) > 1)) {
      return false;
    }
  }
  return true;
}

bool SchemaReader::accept_object(const SchemaNode& node, const OrderedJson& value) const {
  const auto count = static_cast<int64_t>(value.size());
  if (count < node.min_properties || count > node.max_properties) {
    return false;
  }
  const auto& required = node.required;
  if (!std::all_of(required.begin(), required.end(), [&](const auto& name) { return value.contains(name); })) {
    return false;
  }
  const auto& members = value.items();
  return std::all_of(members.begin(), members.end(), [&](const auto& member) {
    return accept(of_property(node, member.key()), member.value()) &&
           accept(node.property_names, OrderedJson(member.key()));
  });
}

std::vector<SchemaNode> SchemaReader::expand(SchemaNode node) const {
  std::vector<SchemaNode> open = {std::move(node)};
  std::vector<SchemaNode> done;
  while (!open.empty()) {
    auto next = std::move(open.back());
    open.pop_back();
    if (next.types == 0) {
      continue;
    }
    if (next.alternatives.empty()) {
      done.push_back(std::move(next));
      continue;
    }
    const auto alternatives = next.alternatives.back();
    next.alternatives.pop_back();
    require(alternatives.schemas.size() <= kMostAlternatives, ErrorKind::unsupported,
            "the JSON schema: anyOf and oneOf must have at most {} schemas, got {}", kMostAlternatives,
            alternatives.schemas.size());
    std::vector<SchemaNode> choices;
    for (const auto* schema : alternatives.schemas) {
      choices.push_back(next);
      add(choices.back(), *schema);
    }
    for (std::size_t i = 0; alternatives.one_of && i < choices.size(); ++i) {
      for (std::size_t j = i + 1; j < choices.size(); ++j) {
        require(disjoint(choices[i], choices[j], 0), ErrorKind::unsupported,
                "the JSON schema: oneOf is supported where no value can be of two of its schemas, and numbers {} and "
                "{} may "
                "share one; use anyOf, or tell them apart by a required property with a const",
                i + 1, j + 1);
      }
    }
    // In their order, the last one on top.
    open.insert(open.end(), std::make_move_iterator(choices.rbegin()), std::make_move_iterator(choices.rend()));
    require(open.size() + done.size() <= kMostAlternatives, ErrorKind::unsupported,
            "the JSON schema: anyOf and oneOf make more than {} alternatives together", kMostAlternatives);
  }
  return done;
}

bool SchemaReader::strings_disjoint(const SchemaNode& a, const SchemaNode& b) const {
  const bool any = a.patterns.empty() && a.formats.empty() && a.max_length == kUnbounded && a.min_length == 0;
  const bool other = b.patterns.empty() && b.formats.empty() && b.max_length == kUnbounded && b.min_length == 0;
  return !any && !other && intersect(string_dfa(a), string_dfa(b), "a string of oneOf").empty();
}

bool SchemaReader::disjoint(const Schemas& a, const Schemas& b, int depth) const {
  return depth < kMostNesting && disjoint(read(a), read(b), depth + 1);
}

// Conservative: false where it does not show.
bool SchemaReader::disjoint(const SchemaNode& a, const SchemaNode& b, int depth) const {
  spend(100);
  const auto common = a.types & b.types;
  if (common == 0) {
    return true;
  }
  for (const auto* sides : {&a, &b}) {
    if (sides->values) {
      const auto& other = sides == &a ? b : a;
      return std::none_of(sides->values->begin(), sides->values->end(),
                          [&](const auto& value) { return accept(*sides, value) && accept(other, value); });
    }
  }
  for (const auto* sides : {&a, &b}) {
    // Each of its alternatives, together with the rest.
    if (!sides->alternatives.empty()) {
      const auto& other = sides == &a ? b : a;
      auto rest = *sides;
      const auto alternatives = rest.alternatives.back();
      rest.alternatives.pop_back();
      return depth < kMostNesting &&
             std::all_of(alternatives.schemas.begin(), alternatives.schemas.end(), [&](const auto* schema) {
               auto one = rest;
               add(one, *schema);
               return disjoint(one, other, depth + 1);
             });
    }
  }
  if ((common & (null_type | boolean_type)) != 0) {
    return false;
  }
  if ((common & number_type) != 0 && !numbers_disjoint(a, b)) {
    return false;
  }
  if ((common & string_type) != 0 && !strings_disjoint(a, b)) {
    return false;
  }
  if ((common & array_type) != 0) {
    const auto needed = std::max(a.min_items, b.min_items);
    bool apart = a.max_items < b.min_items || b.max_items < a.min_items;
    for (int64_t i = 0; i < needed && i < kMostNesting && !apart; ++i) {
      apart = disjoint(of_item(a, static_cast<std::size_t>(i)), of_item(b, static_cast<std::size_t>(i)), depth);
    }
    if (!apart) {
      return false;
    }
  }
  if ((common & object_type) != 0) {
    std::set<std::string> needed(a.required.begin(), a.required.end());
    needed.insert(b.required.begin(), b.required.end());
    return std::any_of(needed.begin(), needed.end(),
                       [&](const auto& name) { return disjoint(of_property(a, name), of_property(b, name), depth); });
  }
  return true;
}

}  // namespace dstorch::text::constraint
