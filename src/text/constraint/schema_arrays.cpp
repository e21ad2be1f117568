#include <algorithm>
#include <utility>

#include "core/throw.h"
#include "text/constraint/schema_compiler.h"

namespace dstorch::text::constraint {
namespace {

/// Values of which an array may have each once: its states are their sets.
constexpr std::size_t kMostUnique = 10;

bool nothing_allowed(const SchemaReader& reader, const Schemas& schemas) { return reader.read(schemas).types == 0; }

}  // namespace

Expr SchemaCompiler::array_language(const SchemaNode& node) {
  require(node.min_items <= kMostItems, ErrorKind::unsupported, "the JSON schema: minItems must be at most {}, got {}",
          kMostItems, node.min_items);
  const auto most = node.max_items == kUnbounded ? kUnbounded : std::min(node.max_items, kMostItems);
  if (node.min_items > most) {
    return never();
  }
  std::vector<Expr> ways;
  if (node.min_items == 0) {
    ways.push_back(bytes("]"));
  }
  if (most > 0) {
    auto items = node.unique_items && most > 1 ? unique_items_language(node) : items_language(node, most);
    ways.push_back(sequence({json_.gap(), std::move(items), json_.gap(), bytes("]")}));
  }
  return sequence({bytes("["), choice(std::move(ways))});
}

// Node i: i items are there.
Expr SchemaCompiler::items_language(const SchemaNode& node, int64_t most) {
  std::size_t prefix = 1;
  for (const auto& layer : node.items) {
    prefix = std::max(prefix, layer.prefix.size());
  }
  prefix = most == kUnbounded ? prefix : std::min(prefix, static_cast<std::size_t>(most));
  Graph items;
  items.nodes = static_cast<uint32_t>(prefix + 2);
  for (uint32_t i = 0; i < prefix; ++i) {
    auto item = rule_of(SchemaReader::of_item(node, i));
    items.edges.push_back({i, i + 1, i == 0 ? std::move(item) : sequence({json_.comma(), std::move(item)})});
    if (static_cast<int64_t>(i) + 1 >= node.min_items) {
      items.finals.push_back(i + 1);
    }
  }
  const auto rest = SchemaReader::of_item(node, prefix);
  const auto there = static_cast<int64_t>(prefix);
  if (most > there && !nothing_allowed(reader_, rest)) {
    const auto least = std::max<int64_t>(1, node.min_items - there);
    items.edges.push_back(
        {static_cast<uint32_t>(prefix), static_cast<uint32_t>(prefix + 1),
         repeat(sequence({json_.comma(), rule_of(rest)}), least, most == kUnbounded ? most : most - there)});
    items.finals.push_back(static_cast<uint32_t>(prefix + 1));
  }
  return graph(std::move(items));
}

// Node i: the values that are there are the bits of i.
Expr SchemaCompiler::unique_items_language(const SchemaNode& node) {
  const auto schemas = SchemaReader::of_item(node, 0);
  bool same = true;
  for (const auto& layer : node.items) {
    same = same && layer.prefix.empty();
  }
  std::vector<OrderedJson> values;
  bool closed = same && !node.items.empty();
  if (closed) {
    for (const auto& item : reader_.expand(schemas)) {
      closed = closed && (item.values || (item.types & ~(null_type | boolean_type)) == 0);
      for (const auto& value : item.values.value_or(std::vector<OrderedJson>{nullptr, false, true})) {
        if (reader_.accept(item, value) && std::find(values.begin(), values.end(), value) == values.end()) {
          values.push_back(value);
        }
      }
    }
  }
  require(closed && values.size() <= kMostUnique, ErrorKind::unsupported,
          "the JSON schema: uniqueItems is supported where the items are an enum of at most {} values", kMostUnique);
  Graph items;
  items.nodes = 1U << values.size();
  for (uint32_t there = 0; there < items.nodes; ++there) {
    const auto count = static_cast<int64_t>(__builtin_popcount(there));
    if (count >= std::max<int64_t>(1, node.min_items) && count <= node.max_items) {
      items.finals.push_back(there);
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      if ((there >> i & 1U) == 0) {
        auto item = json_.value(values[i]);
        items.edges.push_back(
            {there, there | (1U << i), there == 0 ? std::move(item) : sequence({json_.comma(), std::move(item)})});
      }
    }
  }
  return graph(std::move(items));
}

}  // namespace dstorch::text::constraint
