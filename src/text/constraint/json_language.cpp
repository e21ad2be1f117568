#include "text/constraint/json_language.h"

#include <fmt/core.h>

#include <utility>
#include <vector>

namespace dstorch::text::constraint {
namespace {

constexpr int64_t kMostIndent = 16;

const CharClass& raw_chars() {
  static const CharClass raw = negate({{0, 0x1F}, {'"', '"'}, {'\\', '\\'}});
  return raw;
}

Expr one_of(std::vector<CodeRange> ranges) { return chars(make_class(std::move(ranges))); }

Expr hex_digits(int64_t count) { return repeat(one_of({{'0', '9'}, {'A', 'F'}, {'a', 'f'}}), count, count); }

// Every escape of a character: by a letter, by its code, by the codes of both halves of a surrogate pair.
Expr any_escape() {
  const auto high_d = one_of({{'D', 'D'}, {'d', 'd'}});
  const auto code = choice({
      sequence({one_of({{'0', '9'}, {'A', 'C'}, {'E', 'F'}, {'a', 'c'}, {'e', 'f'}}), hex_digits(3)}),
      sequence({high_d, one_of({{'0', '7'}}), hex_digits(2)}),
      sequence({high_d, one_of({{'8', '9'}, {'A', 'B'}, {'a', 'b'}}), hex_digits(2), bytes("\\u"), high_d,
                one_of({{'C', 'F'}, {'c', 'f'}}), hex_digits(2)}),
  });
  const auto letter =
      one_of({{'"', '"'}, {'/', '/'}, {'\\', '\\'}, {'b', 'b'}, {'f', 'f'}, {'n', 'n'}, {'r', 'r'}, {'t', 't'}});
  return sequence({bytes("\\"), choice({letter, sequence({bytes("u"), code})})});
}

std::string escaped(char32_t c) {
  switch (c) {
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    case '\b':
      return "\\b";
    case '\f':
      return "\\f";
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      return fmt::format("\\u{:04x}", static_cast<uint32_t>(c));
  }
}

}  // namespace

JsonLanguage::JsonLanguage(Grammar& grammar, bool spaced) : grammar_(grammar), gap_(nothing()) {
  Expr after_colon = nothing();
  if (spaced) {
    const auto space = chars({{' ', ' '}});
    const auto white = choice({space, sequence({bytes("\n"), repeat(space, 0, kMostIndent)})});
    gap_ = optional(call(grammar.add("white space", white)));
    after_colon = optional(space);
  }
  comma_ = sequence({bytes(","), gap_});
  colon_ = sequence({bytes(":"), after_colon});
  free_char_ = call(grammar.add("a character of a string", choice({chars(raw_chars()), any_escape()})));
}

Expr JsonLanguage::free_string(int64_t least, int64_t most) const {
  return sequence({bytes("\""), repeat(free_char_, least, most), bytes("\"")});
}

Expr JsonLanguage::string_of(const CharDfa& dfa) { return sequence({bytes("\""), content_of(dfa), bytes("\"")}); }

Expr JsonLanguage::key_of(const CharDfa& dfa, int reserve) {
  const auto quote = [](int border) {
    Expression expression;
    expression.kind = Expression::Kind::bytes;
    expression.bytes = "\"";
    expression.border = border;
    return std::make_shared<const Expression>(std::move(expression));
  };
  return sequence({quote(key_begin), content_of(dfa), quote(key_end | reserve)});
}

Expr JsonLanguage::content_of(const CharDfa& dfa) {
  if (dfa.empty()) {
    return never();
  }
  Graph strings;
  strings.nodes = static_cast<uint32_t>(dfa.states.size());
  for (uint32_t state = 0; state < strings.nodes; ++state) {
    std::map<uint32_t, std::vector<CodeRange>> by_target;
    for (const auto& edge : dfa.states[state].edges) {
      by_target[edge.target].push_back(edge.range);
    }
    for (auto& [target, ranges] : by_target) {
      strings.edges.push_back({state, target, written_char(make_class(std::move(ranges)))});
    }
    if (dfa.states[state].accepts) {
      strings.finals.push_back(state);
    }
  }
  return graph(std::move(strings));
}

Expr JsonLanguage::written_char(const CharClass& members) {
  auto& known = written_[members];
  if (known) {
    return known;
  }
  std::vector<Expr> ways = {chars(intersect(members, raw_chars()))};
  for (const auto& range : intersect(members, {{0, 0x1F}, {'"', '"'}, {'\\', '\\'}})) {
    for (char32_t c = range.first; c <= range.last; ++c) {
      ways.push_back(bytes(escaped(c)));
    }
  }
  const bool small = ways.size() == 1 && members.back().last < 0x80;
  known = choice(std::move(ways));
  known = small ? known : call(grammar_.add("a character of a string", known));
  return known;
}

Expr JsonLanguage::plain(const CharDfa& dfa) {
  if (dfa.empty()) {
    return never();
  }
  Graph texts;
  texts.nodes = static_cast<uint32_t>(dfa.states.size());
  for (uint32_t state = 0; state < texts.nodes; ++state) {
    for (const auto& edge : dfa.states[state].edges) {
      texts.edges.push_back({state, edge.target, chars({edge.range})});
    }
    if (dfa.states[state].accepts) {
      texts.finals.push_back(state);
    }
  }
  return graph(std::move(texts));
}

std::string JsonLanguage::written(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || c == '"' || c == '\\') {
      out += escaped(byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

Expr JsonLanguage::value(const OrderedJson& value) const {
  if (value.is_string()) {
    return bytes(written(value.get_ref<const std::string&>()));
  }
  if (!value.is_structured()) {
    return bytes(value.dump());
  }
  const bool object = value.is_object();
  if (value.empty()) {
    return bytes(object ? "{}" : "[]");
  }
  std::vector<Expr> parts = {bytes(object ? "{" : "["), gap_};
  bool first = true;
  for (const auto& [key, member] : value.items()) {
    if (!std::exchange(first, false)) {
      parts.push_back(comma_);
    }
    if (object) {
      parts.push_back(bytes(written(key)));
      parts.push_back(colon_);
    }
    parts.push_back(this->value(member));
  }
  parts.push_back(gap_);
  parts.push_back(bytes(object ? "}" : "]"));
  return sequence(std::move(parts));
}

Expr JsonLanguage::free_number() {
  const auto digit = one_of({{'0', '9'}});
  const auto whole = choice({bytes("0"), sequence({one_of({{'1', '9'}}), repeat(digit, 0, 14)})});
  const auto exponent =
      sequence({one_of({{'E', 'E'}, {'e', 'e'}}), optional(one_of({{'+', '+'}, {'-', '-'}})), repeat(digit, 1, 2)});
  return sequence(
      {optional(bytes("-")), whole, optional(sequence({bytes("."), repeat(digit, 1, 15)})), optional(exponent)});
}

}  // namespace dstorch::text::constraint
