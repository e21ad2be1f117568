#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "text/constraint/json_language.h"
#include "text/constraint/schema_node.h"

namespace dstorch::text::constraint {

/// Makes of a JSON schema the grammar of the texts of its values (docs/constraints.md has the language). Each set of
/// schemas that hold for the same value becomes one rule, so schemas may refer to themselves.
class SchemaCompiler {
 public:
  /// `spaced`: see JsonLanguage. Throws LMError: format, unsupported.
  SchemaCompiler(std::string_view schema, bool spaced) : reader_(schema), json_(grammar_, spaced) {}
  Grammar compile();

 private:
  /// Properties that may come after the named ones: keys and the schemas of their values.
  struct Extra {
    CharDfa keys;
    Schemas schemas;
  };
  /// A property of its name.
  struct Member {
    std::string name;
    bool required = false;
    Expr pair;
  };

  Expr rule_of(Schemas schemas);
  Expr body_of(const Schemas& schemas);
  Expr node_language(const SchemaNode& node);
  Expr string_language(const SchemaNode& node);
  static Expr number_language(const SchemaNode& node);

  Expr array_language(const SchemaNode& node);
  Expr items_language(const SchemaNode& node, int64_t most);
  Expr unique_items_language(const SchemaNode& node);

  Expr object_language(const SchemaNode& node);
  std::vector<Member> members_of(const SchemaNode& node, std::vector<Extra>& extras);
  std::vector<Extra> extras_of(const SchemaNode& node, const std::vector<std::string>& names);
  CharDfa names_dfa(const SchemaNode& node);
  int reserve_for(const CharDfa& keys);
  Expr members_language(const SchemaNode& node, const std::vector<Member>& members, const Expr& extra);

  Grammar grammar_;
  SchemaReader reader_;
  JsonLanguage json_;
  std::map<Schemas, uint32_t> rules_;
  std::vector<Schemas> unfinished_;
};

/// Lengths and counts up to which an answer goes where a schema allows more.
inline constexpr int64_t kMostLength = 8192;
inline constexpr int64_t kMostItems = 4096;

}  // namespace dstorch::text::constraint
