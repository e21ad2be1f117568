#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "core/json.h"
#include "text/constraint/decimal.h"
#include "text/constraint/expression.h"

namespace dstorch::text::constraint {

/// Types of JSON, as bits.
enum SchemaType : uint8_t {
  null_type = 1,
  boolean_type = 2,
  number_type = 4,
  string_type = 8,
  array_type = 16,
  object_type = 32,
  any_type = 63,
};

/// Schemas of one document that all hold for the same value.
using Schemas = std::vector<const OrderedJson*>;

/// Several schemas as one: what all of them together ask of a value. The pointers are into the document.
struct SchemaNode {
  /// What one schema says of an array's items; of an object's properties.
  struct Items {
    Schemas prefix;
    const OrderedJson* rest = nullptr;  // null: anything
  };
  struct Properties {
    const OrderedJson* named = nullptr;
    const OrderedJson* patterns = nullptr;
    const OrderedJson* additional = nullptr;
  };
  struct Alternatives {
    bool one_of = false;
    Schemas schemas;
  };

  uint8_t types = any_type;
  std::optional<std::vector<OrderedJson>> values{};  // enum, const
  NumberLimits number{};
  int64_t min_length = 0;
  int64_t max_length = kUnbounded;
  std::vector<std::string> patterns{};
  std::vector<std::string> formats{};
  std::vector<Items> items{};
  int64_t min_items = 0;
  int64_t max_items = kUnbounded;
  bool unique_items = false;
  std::vector<Properties> properties{};
  std::vector<std::string> required{};
  int64_t min_properties = 0;
  int64_t max_properties = kUnbounded;
  Schemas property_names{};
  /// What is in it already, apart from the alternatives: a schema asks nothing more the second time.
  std::set<const OrderedJson*> read{};
  /// anyOf, oneOf: one of each must hold too.
  std::vector<Alternatives> alternatives{};
};

/// Reads schemas of one document. Throws LMError: format for what is no schema, unsupported naming what is not known.
class SchemaReader {
 public:
  /// `text`: the document.
  explicit SchemaReader(std::string_view text);

  [[nodiscard]] const OrderedJson& document() const noexcept { return document_; }
  /// What a schema that only refers to another refers to, else itself.
  const OrderedJson* resolve(const OrderedJson* schema) const;
  /// Adds what `schema` asks to `node`.
  void add(SchemaNode& node, const OrderedJson& schema) const { add(node, schema, 0); }
  [[nodiscard]] SchemaNode read(const Schemas& schemas) const;
  /// The nodes of which one must hold, without alternatives. Throws LMError{unsupported} where they are too many, or
  /// where two schemas of a oneOf may hold for one value.
  [[nodiscard]] std::vector<SchemaNode> expand(const Schemas& schemas) const { return expand(read(schemas)); }
  [[nodiscard]] std::vector<SchemaNode> expand(SchemaNode node) const;
  /// Whether all of `schemas` hold for `value`.
  [[nodiscard]] bool accept(const Schemas& schemas, const OrderedJson& value) const;
  /// Whether what `node` asks holds for `value`, but for its alternatives.
  [[nodiscard]] bool accept(const SchemaNode& node, const OrderedJson& value) const;
  /// The strings that patterns, formats and lengths allow together. Made once, kept with the reader.
  [[nodiscard]] const CharDfa& string_dfa(const SchemaNode& node) const;

  /// The schemas for a property, and for an item.
  [[nodiscard]] static Schemas of_property(const SchemaNode& node, const std::string& name);
  [[nodiscard]] static Schemas of_item(const SchemaNode& node, std::size_t index);

 private:
  void add(SchemaNode& node, const OrderedJson& schema, int depth) const;
  void add_words(SchemaNode& node, const OrderedJson& schema, int depth) const;
  [[nodiscard]] const OrderedJson& target(const std::string& reference) const;
  [[nodiscard]] bool accept_array(const SchemaNode& node, const OrderedJson& value) const;
  [[nodiscard]] bool accept_object(const SchemaNode& node, const OrderedJson& value) const;
  [[nodiscard]] bool disjoint(const SchemaNode& a, const SchemaNode& b, int depth) const;
  [[nodiscard]] bool strings_disjoint(const SchemaNode& a, const SchemaNode& b) const;
  [[nodiscard]] bool disjoint(const Schemas& a, const Schemas& b, int depth) const;

  OrderedJson document_;
  using Strings = std::tuple<int64_t, int64_t, std::vector<std::string>, std::vector<std::string>>;
  mutable std::map<Strings, CharDfa> string_dfas_;
};

/// Whether a text matches a pattern of a schema.
bool matches_pattern(const std::string& pattern, const std::string& text);

}  // namespace dstorch::text::constraint
