// Oniguruma's regular expressions (github.com/kkos/oniguruma, doc/RE) in PCRE2's words, where the two differ:
// what \s, \w, \d and \h mean, names of properties, sets within sets, intersections, (?m), and x{1,3}+.
#include <array>
#include <cctype>
#include <string>
#include <utility>
#include <vector>

#include "core/throw.h"
#include "text/regex.h"
#include "text/utf8.h"

namespace dstorch::text {
namespace {

constexpr int kMaxDepth = 64;
// White_Space and Word as items of a set.
constexpr std::string_view kSpaceItems = "\\t-\\r\\x{85}\\p{Z}";
constexpr std::string_view kWordItems = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}";

// Long names of properties, lower case without '_', '-' and blanks, that PCRE2 spells otherwise.
constexpr std::array<std::pair<std::string_view, std::string_view>, 44> kPropertyNames = {{
    {"letter", "L"},
    {"uppercaseletter", "Lu"},
    {"lowercaseletter", "Ll"},
    {"titlecaseletter", "Lt"},
    {"casedletter", "L&"},
    {"modifierletter", "Lm"},
    {"otherletter", "Lo"},
    {"mark", "M"},
    {"nonspacingmark", "Mn"},
    {"spacingmark", "Mc"},
    {"enclosingmark", "Me"},
    {"number", "N"},
    {"decimalnumber", "Nd"},
    {"letternumber", "Nl"},
    {"othernumber", "No"},
    {"punctuation", "P"},
    {"connectorpunctuation", "Pc"},
    {"dashpunctuation", "Pd"},
    {"openpunctuation", "Ps"},
    {"closepunctuation", "Pe"},
    {"initialpunctuation", "Pi"},
    {"finalpunctuation", "Pf"},
    {"otherpunctuation", "Po"},
    {"symbol", "S"},
    {"mathsymbol", "Sm"},
    {"currencysymbol", "Sc"},
    {"modifiersymbol", "Sk"},
    {"othersymbol", "So"},
    {"separator", "Z"},
    {"spaceseparator", "Zs"},
    {"lineseparator", "Zl"},
    {"paragraphseparator", "Zp"},
    {"other", "C"},
    {"control", "Cc"},
    {"format", "Cf"},
    {"surrogate", "Cs"},
    {"privateuse", "Co"},
    {"unassigned", "Cn"},
    {"alpha", "Alphabetic"},
    {"digit", "Nd"},
    {"space", "White_Space"},
    {"upper", "Uppercase"},
    {"lower", "Lowercase"},
    {"cntrl", "Cc"},
}};

class Translator {
 public:
  explicit Translator(std::string_view pattern) : pattern_(pattern) {}

  std::string run() {
    while (at_ < pattern_.size()) {
      const char c = pattern_[at_];
      if (c == '\\') {
        out_ += escape_outside();
      } else if (c == '[') {
        out_ += set(0);
      } else if (c == '(') {
        group();
      } else if (c == '{') {
        interval();
      } else {
        copy_character(out_);
      }
    }
    return std::move(out_);
  }

 private:
  [[nodiscard]] std::string_view rest() const { return pattern_.substr(at_); }

  void copy_character(std::string& to) {
    std::size_t length = utf8_length(pattern_[at_]);
    length = length > pattern_.size() - at_ ? pattern_.size() - at_ : length;
    to += pattern_.substr(at_, length);
    at_ += length;
  }

  // "(?m-i:" to PCRE2's names of the options; every other group is the same in both.
  void group() {
    require(!rest().starts_with("(*"), ErrorKind::unsupported, "patterns with (*...) are not supported: {}",
            pattern_.substr(0, 200));
    out_.push_back('(');
    ++at_;
    if (!rest().starts_with("?")) {
      return;
    }
    std::size_t end = at_ + 1;
    while (end < pattern_.size() &&
           (std::isalpha(static_cast<unsigned char>(pattern_[end])) != 0 || pattern_[end] == '-')) {
      ++end;
    }
    if (end < pattern_.size() && (pattern_[end] == ':' || pattern_[end] == ')')) {
      for (; at_ < end; ++at_) {
        out_.push_back(pattern_[at_] == 'm' ? 's' : pattern_[at_]);
      }
    }
  }

  // x{2,3}+ is (x{2,3})+ in Oniguruma and possessive in PCRE2.
  void interval() {
    std::size_t end = at_ + 1;
    std::size_t comma = std::string_view::npos;
    for (; end < pattern_.size() &&
           (std::isdigit(static_cast<unsigned char>(pattern_[end])) != 0 || pattern_[end] == ',');
         ++end) {
      if (pattern_[end] == ',') {
        comma = end;
      }
    }
    const bool plus = end + 1 < pattern_.size() && pattern_[end] == '}' && pattern_[end + 1] == '+';
    if (!plus || end == at_ + 1) {
      copy_character(out_);
      return;
    }
    const std::string_view low = pattern_.substr(at_ + 1, (comma == std::string_view::npos ? end : comma) - at_ - 1);
    const std::string_view high = comma == std::string_view::npos ? low : pattern_.substr(comma + 1, end - comma - 1);
    // Sums of numbers from [low, high] are all numbers from `low` on when low is 1, or 0.
    require(low == "1" || low == "0" || low.empty(), ErrorKind::unsupported,
            "patterns with {{{},{}}}+ are not supported: {}", low, high, pattern_.substr(0, 200));
    out_ += low == "1" ? "{1,}" : "{0,}";
    at_ = end + 2;
  }

  // The name within \p{...}, and what PCRE2 calls it.
  std::string property() {
    const bool negated = pattern_[at_ + 1] == 'P';
    at_ += 2;
    if (at_ >= pattern_.size() || pattern_[at_] != '{') {
      return negated ? "\\P" : "\\p";
    }
    const std::size_t close = pattern_.find('}', at_);
    require(close != std::string_view::npos, ErrorKind::format, "the pattern \"{}\" must close its \\p{{",
            pattern_.substr(0, 200));
    std::string_view name = pattern_.substr(at_ + 1, close - at_ - 1);
    at_ = close + 1;
    bool inner = false;
    if (name.starts_with('^')) {
      inner = true;
      name.remove_prefix(1);
    }
    std::string plain;
    for (const char c : name) {
      if (c != '_' && c != '-' && c != ' ') {
        plain.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
      }
    }
    std::string_view translated = name;
    for (const auto& [from, to] : kPropertyNames) {
      if (plain == from) {
        translated = to;
      }
    }
    return std::string(negated != inner ? "\\P{" : "\\p{") + std::string(translated) + "}";
  }

  // \uHHHH, which PCRE2 writes \x{HHHH}.
  std::string code_point() {
    require(at_ + 6 <= pattern_.size(), ErrorKind::format, "the pattern \"{}\" must have four digits after \\u",
            pattern_.substr(0, 200));
    std::string out = "\\x{" + std::string(pattern_.substr(at_ + 2, 4)) + "}";
    at_ += 6;
    return out;
  }

  std::string escape_outside() {
    require(at_ + 1 < pattern_.size(), ErrorKind::format, "the pattern \"{}\" must not end with a backslash",
            pattern_.substr(0, 200));
    const auto wrap = [&](std::string_view open, std::string_view items) {
      at_ += 2;
      return std::string(open) + std::string(items) + "]";
    };
    switch (pattern_[at_ + 1]) {
      case 's':
        return wrap("[", kSpaceItems);
      case 'S':
        return wrap("[^", kSpaceItems);
      case 'w':
        return wrap("[", kWordItems);
      case 'W':
        return wrap("[^", kWordItems);
      case 'd':
        return wrap("[", "\\p{Nd}");
      case 'D':
        return wrap("[^", "\\p{Nd}");
      case 'h':
        return wrap("[", "0-9A-Fa-f");
      case 'H':
        return wrap("[^", "0-9A-Fa-f");
      case 'p':
      case 'P':
        return property();
      case 'u':
        return code_point();
      default: {
        std::string out;
        copy_character(out);
        copy_character(out);
        return out;
      }
    }
  }

  // One side of && in a set: items that fit into one PCRE2 set, and those that need one of their own.
  struct Operand {
    std::string items;
    std::vector<std::string> sets;

    [[nodiscard]] std::string text() const {
      std::string out = items.empty() ? "" : "[" + items + "]";
      for (const std::string& set : sets) {
        out += (out.empty() ? "" : "|") + set;
      }
      return sets.empty() ? out : "(?:" + out + ")";
    }
  };

  void escape_in_set(Operand& operand) {
    require(at_ + 1 < pattern_.size(), ErrorKind::format, "the pattern \"{}\" must not end with a backslash",
            pattern_.substr(0, 200));
    const auto take = [&](std::string_view items) {
      at_ += 2;
      operand.items += items;
    };
    switch (pattern_[at_ + 1]) {
      case 's':
        return take(kSpaceItems);
      case 'S':
        return take("\\P{White_Space}");
      case 'w':
        return take(kWordItems);
      case 'W':
        at_ += 2;
        operand.sets.push_back("[^" + std::string(kWordItems) + "]");
        return;
      case 'd':
        return take("\\p{Nd}");
      case 'D':
        return take("\\P{Nd}");
      case 'h':
        return take("0-9A-Fa-f");
      case 'H':
        at_ += 2;
        operand.sets.emplace_back("[^0-9A-Fa-f]");
        return;
      case 'p':
      case 'P':
        operand.items += property();
        return;
      case 'u':
        operand.items += code_point();
        return;
      default:
        copy_character(operand.items);
        copy_character(operand.items);
    }
  }

  // From '[' to its ']'.
  std::string set(int depth) {
    require(depth < kMaxDepth, ErrorKind::unsupported, "sets in patterns must nest at most {} deep", kMaxDepth);
    ++at_;
    const bool negated = rest().starts_with('^');
    at_ += negated ? 1 : 0;
    std::vector<Operand> operands(1);
    for (bool first = true;; first = false) {
      require(at_ < pattern_.size(), ErrorKind::format, "the pattern \"{}\" must close its [", pattern_.substr(0, 200));
      const char c = pattern_[at_];
      if (c == ']' && !first) {
        ++at_;
        break;
      }
      if (c == '\\') {
        escape_in_set(operands.back());
      } else if (rest().starts_with("[:") && pattern_.find(":]", at_) != std::string_view::npos) {
        const std::size_t end = pattern_.find(":]", at_) + 2;
        operands.back().items += pattern_.substr(at_, end - at_);
        at_ = end;
      } else if (c == '[') {
        operands.back().sets.push_back(set(depth + 1));
      } else if (rest().starts_with("&&")) {
        operands.emplace_back();
        at_ += 2;
      } else if (c == ']') {
        operands.back().items += "\\]";
        ++at_;
      } else {
        copy_character(operands.back().items);
      }
    }
    if (operands.size() == 1 && operands[0].sets.empty()) {
      return (negated ? "[^" : "[") + operands[0].items + "]";
    }
    std::string both;
    for (std::size_t i = 0; i < operands.size(); ++i) {
      const std::string text = operands[i].text();
      both += i + 1 < operands.size() ? "(?=" + text + ")" : text;
    }
    return negated ? "(?:(?!" + both + ")(?s:.))" : "(?:" + both + ")";
  }

  std::string_view pattern_;
  std::size_t at_ = 0;
  std::string out_;
};

}  // namespace

std::string translate_regex(std::string_view pattern) { return Translator(pattern).run(); }

}  // namespace dstorch::text
