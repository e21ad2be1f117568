// Sets of a pattern: those within others, intersections, named classes.
#include <string>
#include <vector>

#include "core/throw.h"
#include "text/regex_classes.h"
#include "text/regex_reader.h"

namespace dstorch::text {

class SetTranslator {
 public:
  explicit SetTranslator(PatternReader& reader) : reader_(reader) {}

  // One side of && in a set: items that fit into one PCRE2 set, and those that need one of their own.
  struct Operand {
    std::string items;
    std::vector<std::string> sets;

    void add(const std::string& more, bool negated) {
      if (!negated) {
        items += more;
      } else if (is_one_property(more)) {
        items += opposite(more);
      } else {
        sets.push_back("[^" + more + "]");
      }
    }

    [[nodiscard]] std::string text() const {
      std::string out = items.empty() ? "" : "[" + items + "]";
      for (const std::string& set : sets) {
        out += (out.empty() ? "" : "|") + set;
      }
      return sets.empty() ? out : "(?:" + out + ")";
    }
  };

  void escape_in_set(Operand& operand) {
    require(reader_.at_ + 1 < reader_.pattern_.size(), ErrorKind::format,
            "the pattern \"{}\" must not end with a backslash", reader_.shown());
    const auto take = [&](std::string_view items, bool negated = false) {
      reader_.at_ += 2;
      operand.add(std::string(items), negated);
    };
    switch (reader_.pattern_[reader_.at_ + 1]) {
      case 's':
        return take(kSpaceItems);
      case 'S':
        return take("\\p{White_Space}", true);
      case 'w':
        return take(kWordItems);
      case 'W':
        return take(kWordItems, true);
      case 'd':
        return take("\\p{Nd}");
      case 'D':
        return take("\\p{Nd}", true);
      case 'h':
        return take("0-9A-Fa-f");
      case 'H':
        return take("0-9A-Fa-f", true);
      case 'v':
        return take("\\x0B");
      case 'p':
      case 'P': {
        if (!reader_.is_property()) {
          operand.items += reader_.other_escape({});
          return;
        }
        const auto [items, negated] = reader_.property();
        operand.add(items, negated);
        return;
      }
      case 'u':
        operand.items += reader_.code_point();
        return;
      default:
        operand.items += reader_.other_escape("tnrfaexocb");
    }
  }

  // [:name:] or [:^name:] within a set; false if it is none.
  bool posix_bracket(Operand& operand) {
    const auto end = reader_.pattern_.find(":]", reader_.at_);
    if (!reader_.rest().starts_with("[:") || end == std::string_view::npos) {
      return false;
    }
    auto name = reader_.pattern_.substr(reader_.at_ + 2, end - reader_.at_ - 2);
    const bool negated = name.starts_with('^');
    name.remove_prefix(negated ? 1 : 0);
    for (const char c : name) {
      if (!is_ascii_letter(c)) {
        return false;
      }
    }
    operand.add(posix_items(name), negated);
    reader_.at_ = end + 2;
    return true;
  }

  // From '[' to its ']'.
  std::string set(int depth) {
    constexpr int kMaxDepth = 64;
    require(depth < kMaxDepth, ErrorKind::unsupported, "sets in patterns must nest at most {} deep", kMaxDepth);
    ++reader_.at_;
    const bool negated = reader_.rest().starts_with('^');
    reader_.at_ += negated ? 1 : 0;
    std::vector<Operand> operands(1);
    for (bool first = true;; first = false) {
      require(reader_.at_ < reader_.pattern_.size(), ErrorKind::format, "the pattern \"{}\" must close its [",
              reader_.shown());
      const char c = reader_.pattern_[reader_.at_];
      if (c == ']' && !first) {
        ++reader_.at_;
        break;
      }
      if (c == '\\') {
        escape_in_set(operands.back());
      } else if (c == '[') {
        if (!posix_bracket(operands.back())) {
          operands.back().sets.push_back(set(depth + 1));
        }
      } else if (reader_.rest().starts_with("&&")) {
        operands.emplace_back();
        reader_.at_ += 2;
      } else if (c == ']' || (first && (c == ':' || c == '.' || c == '='))) {
        operands.back().items += std::string("\\") + c;  // PCRE2 takes [: for a POSIX bracket
        ++reader_.at_;
      } else {
        reader_.copy_character(operands.back().items);
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

 private:
  PatternReader& reader_;
};

std::string translate_set(PatternReader& reader) { return SetTranslator(reader).set(0); }

}  // namespace dstorch::text
