#include "text/constraint/gbnf_parser.h"

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "text/constraint/pattern_reader.h"

namespace dstorch::text::constraint {
namespace {

bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

class GbnfParser {
 public:
  explicit GbnfParser(std::string_view text) : reader_(text, "the grammar") {}

  Grammar parse() {
    skip_blank(/*lines=*/true);
    while (!reader_.done()) {
      rule();
      skip_blank(true);
    }
    for (const auto& [name, id] : ids_) {
      require(defined_.contains(id), ErrorKind::format, "the grammar uses the rule \"{}\" and does not say what it is",
              name);
    }
    const auto root = ids_.find("root");
    require(root != ids_.end(), ErrorKind::format, "the grammar must have a rule \"root\": root ::= ...");
    grammar_.root = root->second;
    return std::move(grammar_);
  }

 private:
  uint32_t id_of(const std::string& name) {
    const auto [found, added] = ids_.try_emplace(name, 0);
    if (added) {
      found->second = grammar_.add(name);
    }
    return found->second;
  }

  // Spaces and comments, and ends of lines where the rule goes on.
  void skip_blank(bool lines) {
    while (true) {
      const char c = reader_.peek();
      if (c == '#') {
        while (!reader_.done() && reader_.peek() != '\n') {
          reader_.next();
        }
      } else if (!reader_.done() && (c == ' ' || c == '\t' || (lines && (c == '\n' || c == '\r')))) {
        reader_.next();
      } else {
        return;
      }
    }
  }

  std::string name() {
    const auto begin = reader_.at();
    while (is_name(reader_.peek())) {
      reader_.next();
    }
    if (reader_.at() == begin) {
      reader_.fail_here("the name of a rule is missing");
    }
    return std::string(reader_.from(begin));
  }

  void rule() {
    const auto rule_name = name();
    skip_blank(false);
    reader_.expect("::=");
    skip_blank(true);
    const auto id = id_of(rule_name);
    require(defined_.insert(id).second, ErrorKind::format, "the grammar says twice what \"{}\" is", rule_name);
    auto body = alternatives(/*nested=*/false);
    grammar_.rules[id].body = std::move(body);
    if (!reader_.done() && !reader_.take("\r\n") && !reader_.take("\n") && !reader_.take("\r")) {
      reader_.fail_here("a rule must end with its line");
    }
  }

  Expr alternatives(bool nested) {
    if (++depth_ > kMaxDepth) {
      reader_.unsupported_here("groups are nested too deep");
    }
    std::vector<Expr> parts = {terms(nested)};
    while (reader_.take("|")) {
      skip_blank(true);
      parts.push_back(terms(nested));
    }
    --depth_;
    return choice(std::move(parts));
  }

  Expr terms(bool nested) {
    std::vector<Expr> parts;
    while (!reader_.done()) {
      const char c = reader_.peek();
      if (c == '"') {
        parts.push_back(literal());
      } else if (c == '[') {
        parts.push_back(char_class());
      } else if (c == '.') {
        reader_.next();
        parts.push_back(chars(any_char()));
      } else if (c == '(') {
        reader_.next();
        skip_blank(true);
        parts.push_back(alternatives(true));
        reader_.expect(")");
      } else if (is_name(c)) {
        parts.push_back(call(id_of(name())));
      } else if (c == '<' || c == '!') {
        reader_.unsupported_here("tokens in a grammar are not supported");
      } else {
        break;
      }
      skip_blank(nested);
      parts.back() = quantified(std::move(parts.back()), nested);
    }
    return parts.empty() ? nothing() : sequence(std::move(parts));
  }

  Expr quantified(Expr part, bool nested) {
    while (true) {
      if (reader_.take("*")) {
        part = repeat(std::move(part), 0, kUnbounded);
      } else if (reader_.take("+")) {
        part = repeat(std::move(part), 1, kUnbounded);
      } else if (reader_.take("?")) {
        part = optional(std::move(part));
      } else if (reader_.take("{")) {
        part = counted(std::move(part));
      } else {
        return part;
      }
      skip_blank(nested);
    }
  }

  // After the "{".
  Expr counted(Expr part) {
    skip_blank(false);
    const auto least = reader_.number();
    if (!least) {
      reader_.fail_here("a count is missing");
    }
    auto most = least;
    skip_blank(false);
    if (reader_.take(",")) {
      skip_blank(false);
      most = reader_.number();
      skip_blank(false);
    }
    reader_.expect("}");
    if (most && *most < *least) {
      reader_.fail_here("a count's numbers are out of order");
    }
    return repeat(std::move(part), *least, most.value_or(kUnbounded));
  }

  Expr literal() {
    reader_.expect("\"");
    std::string text;
    while (!reader_.take("\"")) {
      append_utf8(text, character());
    }
    return bytes(text);
  }

  Expr char_class() {
    reader_.expect("[");
    const bool negated = reader_.take("^");
    std::vector<CodeRange> ranges;
    while (!reader_.take("]")) {
      const auto first = character();
      auto last = first;
      if (reader_.peek() == '-' && reader_.peek(1) != ']') {
        reader_.next();
        last = character();
        if (last < first) {
          reader_.fail_here("a range of a class is out of order");
        }
      }
      ranges.push_back({first, last});
    }
    auto members = intersect(make_class(std::move(ranges)), any_char());
    return chars(negated ? negate(members) : std::move(members));
  }

  char32_t character() {
    const char32_t c = reader_.next();
    if (c != '\\') {
      return c;
    }
    const char32_t escaped = reader_.next();
    switch (escaped) {
      case 'x':
        return reader_.hex(2);
      case 'u':
        return reader_.hex(4);
      case 'U':
        return reader_.hex(8);
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 't':
        return '\t';
      case '\\':
      case '"':
      case '[':
      case ']':
      case '-':
      case '^':
        return escaped;
      default:
        reader_.fail_here("an unknown escape");
    }
  }

  PatternReader reader_;
  Grammar grammar_;
  std::map<std::string, uint32_t> ids_;
  std::set<uint32_t> defined_;
  int depth_ = 0;
};

}  // namespace

Grammar parse_gbnf(std::string_view text) { return GbnfParser(text).parse(); }

}  // namespace dstorch::text::constraint
