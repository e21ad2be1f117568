#include <algorithm>
#include <set>
#include <utility>

#include "core/throw.h"
#include "text/constraint/effort.h"
#include "text/constraint/regex_parser.h"
#include "text/constraint/schema_compiler.h"

namespace dstorch::text::constraint {
namespace {

/// Patterns of one object, whose keys are told apart by which of them they match.
constexpr std::size_t kMostPatterns = 4;
/// Keys of a pattern with no others that become properties of their own.
constexpr std::size_t kMostListed = 64;
/// What minProperties and maxProperties may count to.
constexpr int64_t kMostCounted = 64;
/// Keys of an object for which another one is kept within reach.
constexpr double kKeptKeys = 256;
constexpr std::size_t kLongestKey = 400;

CharDfa find_dfa_of(const std::string& pattern) {
  const auto where = "the JSON schema: patternProperties \"" + pattern + "\"";
  return find_dfa(parse_regex(pattern, where), where);
}

CharDfa all_texts() { return complement(CharDfa{}); }

/// How many texts of each length lead from each state to the end, made length by length.
class Completions {
 public:
  explicit Completions(const CharDfa& dfa) : dfa_(dfa) {
    for (const auto& state : dfa.states) {
      counts_.push_back(state.accepts ? 1 : 0);
    }
  }
  [[nodiscard]] double of(std::size_t state) const { return counts_[state]; }
  void lengthen() {
    std::vector<double> longer(counts_.size(), 0);
    for (std::size_t state = 0; state < counts_.size(); ++state) {
      spend(20 * static_cast<int64_t>(dfa_.states[state].edges.size()));
      for (const auto& edge : dfa_.states[state].edges) {
        // One byte each: characters of one byte that need no escape.
        for (const auto& range : intersect({edge.range}, {{0x20, '!'}, {'#', '['}, {']', 0x7E}})) {
          longer[state] += static_cast<double>(range.last - range.first + 1) * counts_[edge.target];
        }
      }
      longer[state] = std::min(longer[state], 1e9);
    }
    counts_ = std::move(longer);
  }

 private:
  const CharDfa& dfa_;
  std::vector<double> counts_;
};

}  // namespace

Expr SchemaCompiler::object_language(const SchemaNode& node) {
  std::vector<Extra> extras;
  auto members = members_of(node, extras);
  std::vector<Expr> pairs;
  for (const auto& extra : extras) {
    if (!extra.keys.infinite()) {
      continue;
    }
    grammar_.unique_keys = true;
    const int reserve = reserve_for(extra.keys);
    pairs.push_back(sequence({json_.key_of(extra.keys, reserve), json_.colon(), rule_of(extra.schemas)}));
  }
  auto extra = choice(std::move(pairs));
  if (extra->kind != Expression::Kind::never) {
    extra = call(grammar_.add("a property", extra));
  }
  return sequence({bytes("{"), members_language(node, members, extra)});
}

// The named ones in the order of the schema, then required ones that it does not name, then those of patterns that few
// keys match.
std::vector<SchemaCompiler::Member> SchemaCompiler::members_of(const SchemaNode& node, std::vector<Extra>& extras) {
  std::vector<std::string> names;
  const auto add_name = [&](const std::string& name) {
    spend(1 + static_cast<int64_t>(names.size()));
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      names.push_back(name);
    }
  };
  for (const auto& layer : node.properties) {
    if (layer.named != nullptr) {
      for (const auto& [name, schema] : layer.named->items()) {
        add_name(name);
      }
    }
  }
  std::for_each(node.required.begin(), node.required.end(), add_name);
  extras = extras_of(node, names);

  std::vector<Member> members;
  const auto add_member = [&](const std::string& name, const Schemas& schemas) {
    spend(1 + static_cast<int64_t>(node.required.size()));
    const bool required = std::find(node.required.begin(), node.required.end(), name) != node.required.end();
    const bool possible = reader_.read(schemas).types != 0 && reader_.accept(node.property_names, OrderedJson(name));
    if (possible || required) {
      auto value = possible ? rule_of(schemas) : never();
      members.push_back(
          {name, required, sequence({bytes(JsonLanguage::written(name)), json_.colon(), std::move(value)})});
    }
  };
  for (const auto& name : names) {
    add_member(name, SchemaReader::of_property(node, name));
  }
  for (const auto& extra : extras) {
    if (extra.keys.infinite()) {
      continue;
    }
    const auto listed = extra.keys.texts(kMostListed);
    require(listed.has_value(), ErrorKind::unsupported,
            "the JSON schema: patternProperties and propertyNames must allow at most {} keys, or any number of them",
            kMostListed);
    for (const auto& name : *listed) {
      add_member(name, extra.schemas);
    }
  }
  return members;
}

CharDfa SchemaCompiler::names_dfa(const SchemaNode& node) {
  auto allowed = all_texts();
  for (const auto* schema : node.property_names) {
    CharDfa one;
    for (const auto& way : reader_.expand(Schemas{schema})) {
      if ((way.types & string_type) == 0) {
        continue;
      }
      auto names = reader_.string_dfa(way);
      if (way.values) {
        std::vector<Expr> values;
        for (const auto& value : *way.values) {
          values.push_back(value.is_string() ? bytes(value.get<std::string>()) : never());
        }
        names = intersect(names, make_dfa(choice(std::move(values)), "propertyNames"), "propertyNames");
      }
      // Together with the others: neither of both is what neither is.
      one = complement(intersect(complement(one), complement(names), "propertyNames"));
    }
    allowed = intersect(allowed, one, "propertyNames");
  }
  return allowed;
}

// Keys are told apart by the patterns that they match: each set of patterns has schemas of its own.
std::vector<SchemaCompiler::Extra> SchemaCompiler::extras_of(const SchemaNode& node,
                                                             const std::vector<std::string>& names) {
  // What a schema does not say about other properties allows them where it names none.
  bool open = node.properties.empty() && node.required.empty();
  std::set<std::string> patterns;
  for (const auto& layer : node.properties) {
    open = open || layer.additional != nullptr || layer.patterns != nullptr;
    if (layer.patterns != nullptr) {
      for (const auto& [pattern, schema] : layer.patterns->items()) {
        patterns.insert(pattern);
      }
    }
  }
  if (!open) {
    return {};
  }
  require(patterns.size() <= kMostPatterns, ErrorKind::unsupported,
          "the JSON schema: patternProperties must have at most {} patterns, got {}", kMostPatterns, patterns.size());
  std::vector<Expr> named;
  named.reserve(names.size());
  for (const auto& name : names) {
    named.push_back(bytes(name));
  }
  const auto others = complement(make_dfa(choice(std::move(named)), "properties"));
  std::vector<Extra> extras = {{intersect(names_dfa(node), others, "properties"), {}}};
  std::vector<std::set<std::string>> matched = {{}};
  for (const auto& pattern : patterns) {
    const auto matching = find_dfa_of(pattern);
    const auto other = complement(matching);
    const auto count = extras.size();
    for (std::size_t i = 0; i < count; ++i) {
      auto with = intersect(extras[i].keys, matching, "patternProperties");
      extras[i].keys = intersect(extras[i].keys, other, "patternProperties");
      extras.push_back({std::move(with), {}});
      matched.push_back(matched[i]);
      matched.back().insert(pattern);
    }
  }
  bool additional_said = node.properties.empty();
  for (const auto& layer : node.properties) {
    additional_said = additional_said || layer.additional != nullptr;
  }
  for (std::size_t i = 0; i < extras.size(); ++i) {
    if (matched[i].empty() && !additional_said) {
      extras[i].keys = {};  // patterns alone allow what they match
    }
    for (const auto& layer : node.properties) {
      bool evaluated = false;
      for (const auto& pattern : matched[i]) {
        if (layer.patterns != nullptr && layer.patterns->contains(pattern)) {
          extras[i].schemas.push_back(&layer.patterns->at(pattern));
          evaluated = true;
        }
      }
      if (!evaluated && layer.additional != nullptr) {
        extras[i].schemas.push_back(layer.additional);
      }
    }
  }
  std::erase_if(extras,
                [&](const Extra& extra) { return extra.keys.empty() || reader_.read(extra.schemas).types == 0; });
  return extras;
}

// Tokens that are needed, beyond those of the shortest end of a key, for one that is not in the object yet.
int SchemaCompiler::reserve_for(const CharDfa& keys) {
  Completions completions(keys);
  std::vector<double> total(keys.states.size(), 0);
  std::vector<std::size_t> shortest(keys.states.size(), kLongestKey);
  std::vector<std::size_t> enough(keys.states.size(), kLongestKey);
  std::vector<std::size_t> longest(keys.states.size(), 0);
  for (std::size_t length = 0; length < kLongestKey; ++length) {
    for (std::size_t state = 0; state < keys.states.size(); ++state) {
      if (completions.of(state) == 0) {
        continue;
      }
      shortest[state] = std::min(shortest[state], length);
      longest[state] = length;
      total[state] += completions.of(state);
      enough[state] = total[state] > kKeptKeys ? std::min(enough[state], length) : kLongestKey;
    }
    completions.lengthen();
  }
  std::size_t most = 0;
  for (std::size_t state = 0; state < keys.states.size(); ++state) {
    grammar_.narrow_keys = grammar_.narrow_keys || enough[state] == kLongestKey;
    const auto far = std::min(enough[state], longest[state]);
    most = std::max(most, far - std::min(far, shortest[state]));
  }
  return static_cast<int>(most);
}

// Node (i, c): the first i members are behind, and c properties are there, counted as far as it matters.
Expr SchemaCompiler::members_language(const SchemaNode& node, const std::vector<Member>& members, const Expr& extra) {
  const bool has_extra = extra->kind != Expression::Kind::never;
  const auto required = static_cast<int64_t>(
      std::count_if(members.begin(), members.end(), [](const Member& member) { return member.required; }));
  const auto named = static_cast<int64_t>(members.size());
  const auto least = node.min_properties;
  const bool has_most = node.max_properties < (has_extra ? kUnbounded : named);
  const bool counts = least > std::max<int64_t>(1, required) || has_most;
  if (least > (has_extra ? kUnbounded : named) || node.max_properties < required) {
    return never();
  }
  const auto last = !counts ? 1 : std::max(least, has_most ? node.max_properties : 0);
  require(last <= kMostCounted, ErrorKind::unsupported,
          "the JSON schema: minProperties and maxProperties must be at most {} where they matter", kMostCounted);

  Graph graph_of_members;
  auto& edges = graph_of_members.edges;
  const auto columns = static_cast<uint32_t>(last + 1);
  const auto node_at = [&](int64_t i, int64_t c) {
    return static_cast<uint32_t>(i) * columns + static_cast<uint32_t>(c);
  };
  // Between the comma and a member, in the same order.
  const auto entry_at = [&](int64_t i, int64_t c) { return node_at(named + 1 + i, c); };
  graph_of_members.nodes = node_at(2 * (named + 1), 0);
  const auto add = [&](int64_t i, int64_t next, const Expr& pair) {
    std::vector<char> entered(static_cast<std::size_t>(columns), 0);
    for (int64_t c = 0; c <= last; ++c) {
      if (has_most && c == node.max_properties) {
        continue;
      }
      const auto after = std::min(c + 1, last);
      edges.push_back({node_at(i, c), entry_at(i, after), c == 0 ? nothing() : json_.comma()});
      if (std::exchange(entered[static_cast<std::size_t>(after)], 1) == 0) {
        edges.push_back({entry_at(i, after), node_at(next, after), pair});
      }
    }
  };
  for (int64_t i = 0; i < named; ++i) {
    const auto& member = members[static_cast<std::size_t>(i)];
    add(i, i + 1, columns > 2 ? call(grammar_.add("a property", member.pair)) : member.pair);
    for (int64_t c = 0; c <= last && !member.required; ++c) {
      edges.push_back({node_at(i, c), node_at(i + 1, c), nothing()});
    }
  }
  if (has_extra) {
    add(named, named, extra);
  }
  std::vector<Expr> ways;
  if (least == 0 && required == 0) {
    ways.push_back(bytes("}"));
  }
  for (int64_t c = counts ? std::max<int64_t>(1, least) : 1; c <= last; ++c) {
    graph_of_members.finals.push_back(node_at(named, c));
  }
  if ((named > 0 || has_extra) && node.max_properties > 0 && !graph_of_members.finals.empty()) {
    ways.push_back(sequence({json_.gap(), graph(std::move(graph_of_members)), json_.gap(), bytes("}")}));
  }
  return choice(std::move(ways));
}

}  // namespace dstorch::text::constraint
