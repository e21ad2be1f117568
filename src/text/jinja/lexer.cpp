#include "text/jinja/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "core/throw.h"
#include "text/jinja/python_text.h"
#include "text/jinja/string_literal.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace dstorch::text::jinja {
namespace {

using Type = Token::Type;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

class Lexer {
 public:
  Lexer(std::string_view source, std::string_view name) : source_(source), name_(name) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) {
      text_until_tag();
    }
    tokens_.push_back({Type::end, line_, {}});
    return std::move(tokens_);
  }

 private:
  [[nodiscard]] bool looking_at(std::string_view what) const { return source_.substr(at_).starts_with(what); }
  [[nodiscard]] char peek(std::size_t ahead = 0) const {
    return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0';
  }

  // Moves on by `bytes`; what begins a line matters for lstrip_blocks.
  void skip(std::size_t bytes) {
    const std::string_view skipped = source_.substr(at_, bytes);
    line_ += static_cast<int>(std::count(skipped.begin(), skipped.end(), '\n'));
    line_start_ = !skipped.empty() ? skipped.back() == '\n' : line_start_;
    at_ += skipped.size();
  }

  [[nodiscard]] std::size_t space_length(std::size_t at) const {
    const std::string_view rest = source_.substr(std::min(at, source_.size()));
    return rest.size() - strip(rest, nullptr, Side::left).size();
  }

  void text_until_tag() {
    std::size_t tag = at_;
    for (;; ++tag) {
      tag = source_.find('{', tag);
      if (tag == std::string_view::npos || tag + 1 >= source_.size()) {
        add_data(source_.substr(at_));
        skip(source_.size() - at_);
        return;
      }
      const char kind = source_[tag + 1];
      if (kind == '%' || kind == '{' || kind == '#') {
        break;
      }
    }
    const char kind = source_[tag + 1];
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    const bool signed_tag = sign == '-' || sign == '+';
    add_data(cut_before_tag(source_.substr(at_, tag - at_), signed_tag ? sign : '\0', kind == '{'));
    skip(tag - at_);
    const int begin = line_;
    const std::size_t raw = kind == '%' ? raw_begin_length() : 0;
    if (raw != 0) {
      skip(raw);
      raw_text(begin);
      return;
    }
    skip(signed_tag ? 3 : 2);
    if (kind == '#') {
      comment(begin);
    } else {
      tokens_.push_back({kind == '{' ? Type::variable_begin : Type::block_begin, begin, {}});
      inside_tag(kind == '{');
    }
  }

  // What of `text` stays in front of a tag.
  [[nodiscard]] std::string_view cut_before_tag(std::string_view text, char sign, bool variable) const {
    if (sign == '-') {
      return strip(text, nullptr, Side::right);
    }
    if (sign == '+' || variable) {
      return text;
    }
    const std::size_t newline = text.rfind('\n');
    const std::size_t line_begin = newline == std::string_view::npos ? 0 : newline + 1;
    const bool begins_line = line_begin > 0 || line_start_;
    return begins_line && strip(text.substr(line_begin), nullptr, Side::left).empty() ? text.substr(0, line_begin)
                                                                                      : text;
  }

  void add_data(std::string_view text) {
    if (!text.empty()) {
      tokens_.push_back({Type::data, line_, std::string(text)});
    }
  }

  // The length of `+%}`, `-%}` with the white space after it, or `%}` with the line break after it; 0 at anything else.
  [[nodiscard]] std::size_t end_length(std::size_t at, std::string_view end, bool trims_line, bool plus) const {
    const std::string_view rest = source_.substr(std::min(at, source_.size()));
    if (rest.starts_with('-') && rest.substr(1).starts_with(end)) {
      return 1 + end.size() + space_length(at + 1 + end.size());
    }
    if (plus && rest.starts_with('+') && rest.substr(1).starts_with(end)) {
      return 1 + end.size();
    }
    if (!rest.starts_with(end)) {
      return 0;
    }
    return end.size() + (trims_line && rest.substr(end.size()).starts_with('\n') ? 1 : 0);
  }

  // {%- raw %}
  [[nodiscard]] std::size_t raw_begin_length() const {
    std::size_t at = at_ + 2;
    at += at < source_.size() && (source_[at] == '-' || source_[at] == '+') ? 1 : 0;
    at += space_length(at);
    if (!source_.substr(std::min(at, source_.size())).starts_with("raw")) {
      return 0;
    }
    at += 3;
    at += space_length(at);
    const std::size_t end = end_length(at, "%}", false, false);
    return end == 0 ? 0 : at + end - at_;
  }

  void raw_text(int begin) {
    for (std::size_t tag = source_.find("{%", at_); tag != std::string_view::npos; tag = source_.find("{%", tag + 1)) {
      std::size_t at = tag + 2;
      const char sign = at < source_.size() && (source_[at] == '-' || source_[at] == '+') ? source_[at] : '\0';
      at += sign != '\0' ? 1 : 0;
      at += space_length(at);
      if (!source_.substr(at).starts_with("endraw")) {
        continue;
      }
      at += std::string_view("endraw").size();
      at += space_length(at);
      const std::size_t end = end_length(at, "%}", true, true);
      if (end != 0) {
        add_data(cut_before_tag(source_.substr(at_, tag - at_), sign, false));
        skip(at + end - at_);
        return;
      }
    }
    fail_syntax(name_, begin, "'raw' has no 'endraw'");
  }

  void comment(int begin) {
    for (std::size_t at = at_; at < source_.size(); ++at) {
      const std::size_t end = end_length(at, "#}", true, true);
      if (end != 0) {
        skip(at + end - at_);
        return;
      }
    }
    fail_syntax(name_, begin, "a comment has no end: '#}' is missing");
  }

  void inside_tag(bool variable) {
    const std::string_view end = variable ? "}}" : "%}";
    std::string open;
    while (at_ < source_.size()) {
      const std::size_t length = open.empty() ? end_length(at_, end, !variable, !variable) : 0;
      if (length != 0) {
        tokens_.push_back({variable ? Type::variable_end : Type::block_end, line_, {}});
        skip(length);
        return;
      }
      const std::size_t space = space_length(at_);
      if (space != 0) {
        skip(space);
      } else {
        one_token(open);
      }
    }
  }

  void take(Type type, std::size_t length, std::string text) {
    tokens_.push_back({type, line_, std::move(text)});
    skip(length);
  }

  void one_token(std::string& open) {
    const char c = peek();
    if (is_digit(c)) {
      number();
    } else if (c == '\'' || c == '"') {
      string();
    } else if (const std::size_t length = name_length(); length != 0) {
      take(Type::name, length, std::string(source_.substr(at_, length)));
    } else {
      op(open);
    }
  }

  void number() {
    const std::size_t real =
        tokens_.back().type == Type::op && tokens_.back().text == "." && at_ > 0 && source_[at_ - 1] == '.'
            ? 0
            : real_length(source_.substr(at_));
    const std::size_t length = real != 0 ? real : integer_length(source_.substr(at_));
    std::string digits(source_.substr(at_, length));
    std::erase(digits, '_');
    take(real != 0 ? Type::real : Type::integer, length, std::move(digits));
  }

  void string() {
    const char quote = peek();
    std::size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) {
      end += source_[end] == '\\' ? 2 : 1;
    }
    if (end >= source_.size()) {
      fail_syntax(name_, line_, "a text has no end: its quote is missing");
    }
    std::string error;
    std::string text = unescape(source_.substr(at_ + 1, end - at_ - 1), error);
    if (!error.empty()) {
      fail_syntax(name_, line_, error);
    }
    take(Type::string, end + 1 - at_, std::move(text));
  }

  [[nodiscard]] std::size_t name_length() const {
    std::size_t end = at_;
    while (end < source_.size()) {
      std::size_t next = end;
      const char32_t c = read_utf8(source_, next);
      const bool fits = c < 0x80 ? c == '_' || std::isalpha(static_cast<int>(c)) != 0 ||
                                       (end != at_ && is_digit(static_cast<char>(c)))
                                 : is_word(c);
      if (!fits) {
        break;
      }
      end = next;
    }
    return end - at_;
  }

  void op(std::string& open) {
    constexpr std::string_view kTwo[] = {"//", "**", "==", "!=", ">=", "<="};
    constexpr std::string_view kOne = "+-/*%~[](){}><=.:|,;";
    for (const std::string_view two : kTwo) {
      if (looking_at(two)) {
        take(Type::op, 2, std::string(two));
        return;
      }
    }
    const char c = peek();
    if (kOne.find(c) == std::string_view::npos) {
      std::size_t end = at_;
      read_utf8(source_, end);
      fail_syntax(name_, line_, fmt::format("unexpected character '{}'", source_.substr(at_, end - at_)));
    }
    balance(c, open);
    take(Type::op, 1, std::string(1, c));
  }

  // A tag ends only where its brackets are closed.
  void balance(char c, std::string& open) const {
    if (c == '(' || c == '[' || c == '{') {
      open += c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (c == ')' || c == ']' || c == '}') {
      if (open.empty() || open.back() != c) {
        fail_syntax(name_, line_,
                    open.empty() ? fmt::format("unexpected '{}'", c)
                                 : fmt::format("unexpected '{}', expected '{}'", c, open.back()));
      }
      open.pop_back();
    }
  }

  std::string_view source_;
  std::string_view name_;
  std::size_t at_ = 0;
  int line_ = 1;
  bool line_start_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

std::string normalize_source(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      out += source[i];
    } else if (i + 1 == source.size() || source[i + 1] != '\n') {
      out += '\n';
    }
  }
  if (out.ends_with('\n')) {
    out.pop_back();
  }
  return is_valid_utf8(out) ? out : replace_invalid_utf8(out);
}

std::vector<Token> tokenize(std::string_view source, std::string_view name) { return Lexer(source, name).run(); }

void fail_syntax(std::string_view name, int line, std::string_view message) {
  fail(ErrorKind::format, "{}, line {}: {}", name, line, message);
}

}  // namespace dstorch::text::jinja
