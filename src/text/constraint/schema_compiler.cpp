#include "text/constraint/schema_compiler.h"

#include <algorithm>
#include <utility>

#include "core/throw.h"
#include "text/constraint/formats.h"

namespace dstorch::text::constraint {
namespace {

constexpr std::size_t kMostRules = 4000;

}  // namespace

Grammar SchemaCompiler::compile() {
  const auto root = rule_of({&reader_.document()});
  while (!unfinished_.empty()) {
    const auto schemas = std::move(unfinished_.back());
    unfinished_.pop_back();
    auto body = body_of(schemas);
    grammar_.rules[rules_.at(schemas)].body = std::move(body);
  }
  grammar_.root = root->rule;
  return std::move(grammar_);
}

Expr SchemaCompiler::rule_of(Schemas schemas) {
  for (auto& schema : schemas) {
    schema = reader_.resolve(schema);
  }
  std::sort(schemas.begin(), schemas.end());
  schemas.erase(std::unique(schemas.begin(), schemas.end()), schemas.end());
  const auto [known, added] = rules_.try_emplace(schemas, 0);
  if (added) {
    require(rules_.size() <= kMostRules, ErrorKind::unsupported, "the JSON schema has more than {} parts", kMostRules);
    known->second = grammar_.add("a part of the JSON schema");
    unfinished_.push_back(std::move(schemas));
  }
  return call(known->second);
}

Expr SchemaCompiler::body_of(const Schemas& schemas) {
  std::vector<Expr> ways;
  for (const auto& node : reader_.expand(schemas)) {
    ways.push_back(node_language(node));
  }
  return choice(std::move(ways));
}

Expr SchemaCompiler::node_language(const SchemaNode& node) {
  std::vector<Expr> ways;
  if (node.values) {
    auto rest = node;
    rest.values.reset();
    for (const auto& value : *node.values) {
      if (reader_.accept(rest, value)) {
        ways.push_back(json_.value(value));
      }
    }
    return choice(std::move(ways));
  }
  const auto add = [&](SchemaType type, auto&& language) {
    if ((node.types & type) != 0) {
      ways.push_back(language());
    }
  };
  add(null_type, [] { return bytes("null"); });
  add(boolean_type, [] { return choice({bytes("true"), bytes("false")}); });
  add(number_type, [&] { return number_language(node); });
  add(string_type, [&] { return string_language(node); });
  add(array_type, [&] { return array_language(node); });
  add(object_type, [&] { return object_language(node); });
  return choice(std::move(ways));
}

Expr SchemaCompiler::number_language(const SchemaNode& node) {
  if (!node.number.integer && !node.number.any()) {
    return JsonLanguage::free_number();
  }
  return JsonLanguage::plain(number_dfa(node.number));
}

Expr SchemaCompiler::string_language(const SchemaNode& node) {
  require(node.min_length <= kMostLength, ErrorKind::unsupported,
          "the JSON schema: minLength must be at most {}, got {}", kMostLength, node.min_length);
  const auto most = node.max_length == kUnbounded ? kUnbounded : std::min(node.max_length, kMostLength);
  if (node.min_length > most) {
    return never();
  }
  if (node.patterns.empty() && node.formats.empty()) {
    return json_.free_string(node.min_length, most);
  }
  if (node.patterns.empty() && node.formats.size() == 1 && node.min_length == 0 && most == kUnbounded) {
    return sequence({bytes("\""), format_language(node.formats.front()), bytes("\"")});
  }
  auto limited = node;
  limited.max_length = most;
  return json_.string_of(reader_.string_dfa(limited));
}

}  // namespace dstorch::text::constraint
