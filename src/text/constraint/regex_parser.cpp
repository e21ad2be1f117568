#include "text/constraint/regex_parser.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/throw.h"
#include "text/constraint/pattern_reader.h"

namespace dstorch::text::constraint {
namespace {

/// Longer ones have more states than any constraint may.
constexpr std::size_t kMostPatternBytes = 500'000;

const CharClass kDigits = {{'0', '9'}};
const CharClass kWord = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
const CharClass kSpace = {{'\t', '\r'}, {' ', ' '}};
const CharClass kLineEnd = {{'\n', '\n'}};

bool is_anchor(const Expr& expression, char32_t anchor) {
  return expression->kind == Expression::Kind::chars && expression->chars.front().first == anchor;
}

bool is_anchor(const Expr& expression) { return is_anchor(expression, kTextBegin) || is_anchor(expression, kTextEnd); }

class RegexParser {
 public:
  RegexParser(std::string_view pattern, std::string_view where) : reader_(pattern, std::string(where)) {}

  Expr parse() {
    auto expression = alternatives();
    if (!reader_.done()) {
      reader_.fail_here("\")\" without \"(\"");
    }
    return expression;
  }

 private:
  Expr alternatives() {
    if (++depth_ > kMaxDepth) {
      reader_.unsupported_here("groups are nested too deep");
    }
    std::vector<Expr> parts;
    do {
      parts.push_back(terms());
    } while (reader_.take("|"));
    --depth_;
    return choice(std::move(parts));
  }

  Expr terms() {
    std::vector<Expr> parts;
    while (!reader_.done() && reader_.peek() != '|' && reader_.peek() != ')') {
      auto part = quantified(atom());
      // The end of the text does not end twice.
      if (parts.empty() || !is_anchor(part) || !is_anchor(parts.back(), part->chars.front().first)) {
        parts.push_back(std::move(part));
      }
    }
    return parts.empty() ? nothing() : sequence(std::move(parts));
  }

  Expr quantified(Expr part) {
    while (true) {
      std::optional<std::pair<int64_t, int64_t>> count;
      if (reader_.take("*")) {
        count = {0, kUnbounded};
      } else if (reader_.take("+")) {
        count = {1, kUnbounded};
      } else if (reader_.take("?")) {
        count = {0, 1};
      } else {
        count = braces();
      }
      if (!count) {
        return part;
      }
      if (is_anchor(part)) {
        reader_.unsupported_here("\"^\" and \"$\" must not be repeated");
      }
      if (reader_.peek() == '+') {
        reader_.unsupported_here("possessive quantifiers are not supported");
      }
      reader_.take("?");  // lazy: the same language
      part = repeat(std::move(part), count->first, count->second);
    }
  }

  // "{2}", "{2,}", "{2,5}"; a brace that begins none of these is itself.
  std::optional<std::pair<int64_t, int64_t>> braces() {
    const auto begin = reader_.at();
    if (!reader_.take("{")) {
      return std::nullopt;
    }
    const auto least = reader_.number();
    if (least) {
      if (reader_.take("}")) {
        return std::pair(*least, *least);
      }
      if (reader_.take(",")) {
        const auto most = reader_.number();
        if (reader_.take("}")) {
          if (most && *most < *least) {
            reader_.fail_here("a quantifier's numbers are out of order");
          }
          return std::pair(*least, most.value_or(kUnbounded));
        }
      }
    }
    reader_.go_back_to(begin);
    return std::nullopt;
  }

  Expr atom() {
    const auto begin = reader_.at();
    const char32_t c = reader_.next();
    switch (c) {
      case '(':
        return group();
      case '[':
        return chars(char_class());
      case '.':
        return chars(negate(kLineEnd));
      case '^':
        return chars({{kTextBegin, kTextBegin}});
      case '$':
        return chars({{kTextEnd, kTextEnd}});
      case '\\':
        return chars(escape(/*in_class=*/false));
      case '*':
      case '+':
      case '?':
        reader_.go_back_to(begin);
        reader_.fail_here("there is nothing to repeat");
      case '{':
        reader_.go_back_to(begin);
        if (braces()) {
          reader_.go_back_to(begin);
          reader_.fail_here("there is nothing to repeat");
        }
        reader_.next();
        break;
      default:
        break;
    }
    return chars({{c, c}});
  }

  Expr group() {
    if (reader_.take("?:")) {
      // Groups capture nothing here.
    } else if ((reader_.starts_with("?<") && reader_.peek(2) != '=' && reader_.peek(2) != '!') ||
               reader_.starts_with("?P<")) {
      while (reader_.next() != '>') {
      }
    } else if (reader_.peek() == '?' || reader_.peek() == '*') {
      reader_.unsupported_here("look-around, flags and other groups of this kind are not supported");
    }
    auto inside = alternatives();
    reader_.expect(")");
    return inside;
  }

  // After the "[".
  CharClass char_class() {
    const bool negated = reader_.take("^");
    std::vector<CodeRange> ranges;
    bool first = true;
    while (first || reader_.peek() != ']') {
      first = false;
      if (reader_.starts_with("[:") || reader_.starts_with("[.") || reader_.starts_with("[=")) {
        reader_.unsupported_here("POSIX classes are not supported");
      }
      const auto low = class_member();
      if (reader_.peek() == '-' && reader_.peek(1) != ']' && single(low)) {
        reader_.next();
        const auto high = class_member();
        if (!single(high) || high.front().first < low.front().first) {
          reader_.fail_here("a range of a class is out of order");
        }
        ranges.push_back({low.front().first, high.front().first});
      } else {
        ranges.insert(ranges.end(), low.begin(), low.end());
      }
    }
    reader_.expect("]");
    auto members = intersect(make_class(std::move(ranges)), any_char());
    return negated ? negate(members) : members;
  }

  static bool single(const CharClass& members) {
    return members.size() == 1 && members.front().first == members.front().last;
  }

  CharClass class_member() {
    const char32_t c = reader_.next();
    return c == '\\' ? escape(/*in_class=*/true) : CharClass{{c, c}};
  }

  // After the "\".
  CharClass escape(bool in_class) {
    const char32_t c = reader_.next();
    const auto one = [](char32_t character) { return CharClass{{character, character}}; };
    switch (c) {
      case 'd':
        return kDigits;
      case 'D':
        return negate(kDigits);
      case 'w':
        return kWord;
      case 'W':
        return negate(kWord);
      case 's':
        return kSpace;
      case 'S':
        return negate(kSpace);
      case 'n':
        return one('\n');
      case 'r':
        return one('\r');
      case 't':
        return one('\t');
      case 'f':
        return one('\f');
      case 'v':
        return one('\v');
      case 'x':
        return one(braced_or(2));
      case 'u':
        return one(braced_or(4));
      case '0':
        if (reader_.peek() < '0' || reader_.peek() > '9') {
          return one(0);
        }
        break;
      case 'b':
        if (in_class) {
          return one('\b');
        }
        break;
      default:
        break;
    }
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
      reader_.unsupported_here("\"\\" + to_utf8(c) + "\" is not supported");
    }
    return one(c);
  }

  char32_t braced_or(int digits) {
    if (!reader_.take("{")) {
      return reader_.hex(digits);
    }
    const auto code = reader_.hex(0);
    reader_.expect("}");
    return code;
  }

  PatternReader reader_;
  int depth_ = 0;
};

/// `expression` without the anchors that hold where it stands. `begins`, `ends`: it is at this end of the text.
Expr drop_anchors(const Expr& expression, bool begins, bool ends) {
  switch (expression->kind) {
    case Expression::Kind::chars:
      if ((begins && is_anchor(expression, kTextBegin)) || (ends && is_anchor(expression, kTextEnd))) {
        return nothing();
      }
      require(!is_anchor(expression), ErrorKind::unsupported,
              "the regular expression: \"^\" and \"$\" may stand at its ends alone, it matches the whole text anyway");
      return expression;
    case Expression::Kind::sequence: {
      std::vector<Expr> parts;
      for (std::size_t i = 0; i < expression->parts.size(); ++i) {
        parts.push_back(
            drop_anchors(expression->parts[i], begins && i == 0, ends && i + 1 == expression->parts.size()));
      }
      return sequence(std::move(parts));
    }
    case Expression::Kind::choice: {
      std::vector<Expr> parts;
      for (const auto& part : expression->parts) {
        parts.push_back(drop_anchors(part, begins, ends));
      }
      return choice(std::move(parts));
    }
    case Expression::Kind::repeat:
      return repeat(drop_anchors(expression->parts.front(), false, false), expression->least, expression->most);
    default:
      return expression;
  }
}

}  // namespace

Expr parse_regex(std::string_view pattern, std::string_view where) {
  require(pattern.size() <= kMostPatternBytes, ErrorKind::unsupported, "{} must have at most {} bytes, got {}", where,
          kMostPatternBytes, pattern.size());
  return RegexParser(pattern, where).parse();
}

Expr parse_whole_regex(std::string_view pattern) {
  return drop_anchors(parse_regex(pattern, "the regular expression"), true, true);
}

}  // namespace dstorch::text::constraint
