// Oniguruma's regular expressions (github.com/kkos/oniguruma, doc/RE) in PCRE2's words, where the two differ: what
// escapes and named classes mean, sets within sets, intersections, counts, options, letters that fold to several.
#include <array>
#include <cctype>
#include <string>
#include <utility>
#include <vector>

#include "core/throw.h"
#include "text/regex.h"
#include "text/regex_classes.h"
#include "text/regex_reader.h"
#include "text/utf8.h"

namespace dstorch::text {
namespace {

// Letters that, with (?i), match one character too; the longer before the shorter.
struct Fold {
  std::string_view letters;
  std::string_view characters;
};
constexpr std::array<Fold, 8> kFolds = {{
    {"ffi", "\uFB03"},
    {"ffl", "\uFB04"},
    {"ff", "\uFB00"},
    {"fi", "\uFB01"},
    {"fl", "\uFB02"},
    {"ss", "\u00DF\u1E9E"},
    {"st", "\uFB05\uFB06"},
    {"\u02BCn", "\u0149"},
}};

// \X, in which PCRE2 10.42 does not part one pictograph from the next.
constexpr std::string_view kGrapheme =
    "(?>\\p{ExtPict}(?:[\\p{Gr_Ext}\\x{1F3FB}-\\x{1F3FF}]*\\x{200D}\\p{ExtPict})*"
    "[\\p{Gr_Ext}\\p{Mc}\\x{200D}\\x{1F3FB}-\\x{1F3FF}]*|\\X)";

class Translator : private PatternReader {
 public:
  using PatternReader::PatternReader;

  std::string run() {
    while (at_ < pattern_.size()) {
      const char c = pattern_[at_];
      if (c == '\\') {
        atom(escape_outside());
      } else if (c == '[') {
        atom(translate_set(*this));
      } else if (c == '(') {
        open_group();
      } else if (c == ')') {
        close_group();
      } else if (c == '{') {
        interval();
      } else if (c == '*' || c == '+' || c == '?') {
        quantifier();
      } else if (c == '|') {
        out_ += c;
        ++at_;
        atom_ = out_.size();
      } else {
        literal();
      }
    }
    return std::move(out_) + groups_.front().end;
  }

 private:
  // A group that is open.
  struct Group {
    std::size_t begin = 0;      // in out_
    std::string end;            // what closes it
    bool ignores_case = false;  // outside of it
    bool repeats = false;       // its end is a quantifier
  };

  // What a quantifier after it repeats.
  void atom(const std::string& text) {
    atom_ = out_.size();
    repeated_ = false;
    out_ += text;
  }

  // Makes a group of the last atom and its quantifier, so that another may follow.
  void wrap() {
    out_.insert(atom_, "(?:");
    out_ += ")";
    repeated_ = false;
  }

  // How many bytes of the pattern spell `letters` from `at_` on, whatever their case; 0 if it is something else.
  [[nodiscard]] std::size_t spelled(std::string_view letters) const {
    constexpr std::string_view kLongS = "\u017F";
    std::size_t at = at_;
    for (const char letter : letters) {
      if (letter == 's' && pattern_.substr(at).starts_with(kLongS)) {
        at += kLongS.size();
      } else if (at < pattern_.size() && std::tolower(static_cast<unsigned char>(pattern_[at])) ==
                                             static_cast<int>(static_cast<unsigned char>(letter))) {
        ++at;
      } else {
        return 0;
      }
    }
    // A quantifier after the letters is the last one's alone.
    const bool repeated = at < pattern_.size() && std::string_view("*+?{").find(pattern_[at]) != std::string_view::npos;
    return repeated ? 0 : at - at_;
  }

  // A character as it is; with (?i) perhaps several that fold to one, or one that folds to several.
  void literal() {
    for (const auto& [letters, characters] : kFolds) {
      std::size_t length = ignores_case_ ? spelled(letters) : 0;
      const auto character = pattern_.substr(at_, utf8_length(pattern_[at_]));
      if (ignores_case_ && characters.find(character) != std::string_view::npos && character.size() > 1) {
        length = character.size();
      }
      if (length > 0) {
        at_ += length;
        atom("(?:" + std::string(letters) + "|[" + std::string(characters) + "])");
        return;
      }
    }
    std::string text;
    copy_character(text);
    atom(text);
  }

  // The options of "(?m-i:", in PCRE2's letters; `at_` is behind "(?", `end` at what follows them.
  std::string options(std::size_t end) {
    std::string letters;
    bool on = true;
    for (; at_ < end; ++at_) {
      const char c = pattern_[at_];
      require(c == 'i' || c == 'm' || c == 'x' || c == '-', ErrorKind::unsupported,
              "patterns with the option (?{}) are not supported: {}", c, shown());
      on = on && c != '-';
      ignores_case_ = c == 'i' ? on : ignores_case_;
      letters.push_back(c == 'm' ? 's' : c);
    }
    return letters;
  }

  void open_group() {
    require(!rest().starts_with("(*"), ErrorKind::unsupported, "patterns with (*...) are not supported: {}", shown());
    if (rest().starts_with("(?#")) {
      const auto end = pattern_.find(')', at_);
      require(end != std::string_view::npos, ErrorKind::format, "the pattern \"{}\" must close its (?#", shown());
      at_ = end + 1;
      return;
    }
    Group group{out_.size(), ")", ignores_case_};
    if (rest().starts_with("(?~")) {
      require(!rest().starts_with("(?~|"), ErrorKind::unsupported, "patterns with (?~|...) are not supported: {}",
              shown());
      at_ += 3;
      out_ += "(?:(?!(?:";
      group.end = "))(?s:.))*";
      group.repeats = true;
    } else if (rest().starts_with("(?")) {
      std::size_t end = at_ + 2;
      while (end < pattern_.size() && (is_ascii_letter(pattern_[end]) || pattern_[end] == '-')) {
        ++end;
      }
      const char after = end < pattern_.size() ? pattern_[end] : '\0';
      at_ += 2;
      if (after == ')') {
        // It holds to the end of the group that it is in, alternatives included.
        out_ += "(?" + options(end) + ":";
        groups_.back().end = ")" + groups_.back().end;
        ++at_;
        atom_ = out_.size();
        return;
      }
      out_ += "(?";
      if (after == ':' && end > at_) {
        out_ += options(end);
      }
      group_head();
    } else {
      out_ += "(";
      ++at_;
    }
    groups_.push_back(std::move(group));
    atom_ = out_.size();
    repeated_ = false;
  }

  // What follows "(?" up to where the group's own expression begins.
  void group_head() {
    const auto take_to = [&](char last) {
      const auto end = pattern_.find(last, at_ + 1);
      require(end != std::string_view::npos, ErrorKind::format, "the pattern \"{}\" must close its (?{}", shown(),
              pattern_[at_]);
      out_ += pattern_.substr(at_, end + 1 - at_);
      at_ = end + 1;
    };
    if (rest().starts_with("<=") || rest().starts_with("<!")) {
      out_ += pattern_.substr(at_, 2);
      at_ += 2;
    } else if (rest().starts_with("<")) {
      take_to('>');
    } else if (rest().starts_with("'")) {
      take_to('\'');
    } else if (at_ < pattern_.size() && pattern_[at_] != '(') {
      copy_character(out_);
    }
  }

  void close_group() {
    ++at_;
    if (groups_.size() == 1) {
      out_ += ")";  // PCRE2 says that it is one too many
      return;
    }
    const Group group = std::move(groups_.back());
    groups_.pop_back();
    out_ += group.end;
    atom_ = group.begin;
    repeated_ = group.repeats;
    ignores_case_ = group.ignores_case;
  }

  void quantifier() {
    if (repeated_) {
      wrap();
    }
    out_ += pattern_[at_++];
    if (at_ < pattern_.size() && (pattern_[at_] == '?' || pattern_[at_] == '+')) {
      out_ += pattern_[at_++];
    }
    repeated_ = true;
  }

  // {2}, {2,}, {,2}, {2,3}; what else begins with a brace stands for itself. A plus after one repeats what it gives,
  // and the larger number first makes it possessive.
  void interval() {
    std::string low;
    std::string high;
    bool comma = false;
    std::size_t end = at_ + 1;
    for (; end < pattern_.size(); ++end) {
      const char c = pattern_[end];
      if (std::isdigit(static_cast<unsigned char>(c)) != 0) {
        (comma ? high : low).push_back(c);
      } else if (c == ',' && !comma) {
        comma = true;
      } else {
        break;
      }
    }
    const bool counts = end < pattern_.size() && pattern_[end] == '}' && !(low.empty() && high.empty());
    if (!counts) {
      ++at_;
      atom("\\{");
      return;
    }
    require(low.size() <= 5 && high.size() <= 5, ErrorKind::unsupported, "patterns may count to 99999 at most: {}",
            shown());
    if (repeated_) {
      wrap();
    }
    const bool swapped = !low.empty() && !high.empty() && std::stoi(low) > std::stoi(high);
    if (swapped) {
      std::swap(low, high);
    }
    out_ += "{" + (low.empty() ? "0" : low) + (comma ? "," + high : "") + "}" + (swapped ? "+" : "");
    at_ = end + 1;
    repeated_ = true;
    const char next = at_ < pattern_.size() ? pattern_[at_] : '\0';
    if (next == '?' && comma && !swapped) {
      out_ += next;  // as few as possible; after {2} it is a quantifier of its own
      ++at_;
    }
  }

  std::string escape_outside() {
    require(at_ + 1 < pattern_.size(), ErrorKind::format, "the pattern \"{}\" must not end with a backslash", shown());
    const std::string word = "[" + std::string(kOuterWordItems) + "]";
    const auto take = [&](std::string text) {
      at_ += 2;
      return text;
    };
    switch (pattern_[at_ + 1]) {
      case 's':
        return take("[" + std::string(kSpaceItems) + "]");
      case 'S':
        return take("[^" + std::string(kSpaceItems) + "]");
      case 'w':
        return take(word);
      case 'W':
        return take("[^" + std::string(kOuterWordItems) + "]");
      case 'b':
        return take("(?:(?<=" + word + ")(?!" + word + ")|(?<!" + word + ")(?=" + word + "))");
      case 'B':
        return take("(?:(?<=" + word + ")(?=" + word + ")|(?<!" + word + ")(?!" + word + "))");
      case 'd':
        return take("\\p{Nd}");
      case 'D':
        return take("\\P{Nd}");
      case 'h':
        return take("[0-9A-Fa-f]");
      case 'H':
        return take("[^0-9A-Fa-f]");
      case 'v':
        return take("\\x0B");
      case 'O':
        return take("(?s:.)");
      case 'X':
        return take(std::string(kGrapheme));
      case 'p':
      case 'P': {
        if (!is_property()) {
          return other_escape({});
        }
        auto [items, negated] = property();
        if (is_one_property(items)) {
          return negated ? opposite(items) : items;
        }
        items = items == kWordItems ? std::string(kOuterWordItems) : items;
        return (negated ? "[^" : "[") + items + "]";
      }
      case 'u':
        return code_point();
      case 'y':
      case 'Y':
      case 'M':
      case 'C':
        fail(ErrorKind::unsupported, "patterns with \\{} are not supported: {}", pattern_[at_ + 1], shown());
      default:
        return other_escape("tnrfaexocAzZGKRNXkg");
    }
  }

  std::string out_;
  std::vector<Group> groups_ = std::vector<Group>(1);  // the whole pattern first
  std::size_t atom_ = 0;                               // where in out_ what a quantifier repeats begins
  bool repeated_ = false;                              // it has one already
  bool ignores_case_ = false;
};

}  // namespace

std::string translate_regex(std::string_view pattern) { return Translator(pattern).run(); }

}  // namespace dstorch::text
