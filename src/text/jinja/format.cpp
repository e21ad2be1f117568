#include "text/jinja/format.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "text/jinja/attributes.h"
#include "text/jinja/numbers.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"
#include "text/jinja/runtime.h"

namespace dstorch::text::jinja {
namespace {

using Type = Value::Type;

// More than any text may have; what is wider fails by its length.
constexpr int64_t kMostWidth = int64_t{1} << 40;

/// One rendering of `"..." % values`.
class PercentFormat {
 public:
  PercentFormat(Runtime& runtime, std::string_view text, const Value& values)
      : runtime_(runtime), text_(text), values_(values) {}

  std::string run() {
    while (at_ < text_.size()) {
      const std::size_t percent = std::min(text_.find('%', at_), text_.size());
      out_.append(text_.substr(at_, percent - at_));
      at_ = percent + 1;
      if (percent < text_.size()) {
        conversion();
      }
    }
    // Only a tuple must be used up, and a lone value that is no mapping in Python's eyes.
    const bool all_used = values_.is(Type::dict) || values_.is(Type::list) || used_ == given();
    if (!all_used) {
      runtime_.fail("not all values were used by the format '{}'", text_);
    }
    return std::move(out_);
  }

 private:
  [[nodiscard]] std::size_t given() const { return values_.is(Type::tuple) ? values_.list->items.size() : 1; }

  char peek() {
    if (at_ >= text_.size()) {
      runtime_.fail("the format '{}' ends inside a conversion", text_);
    }
    return text_[at_];
  }

  Value next_value() {
    if (used_ >= given()) {
      runtime_.fail("the format '{}' needs more values", text_);
    }
    const std::size_t i = used_++;
    return values_.is(Type::tuple) ? values_.list->items[i] : values_;
  }

  int64_t number() {
    if (peek() == '*') {
      ++at_;
      return std::clamp(to_index(runtime_, next_value(), "a format's *"), -kMostWidth, kMostWidth);
    }
    int64_t value = 0;
    while (std::isdigit(static_cast<unsigned char>(peek())) != 0 && value < kMostWidth) {
      value = value * 10 + (text_[at_++] - '0');
    }
    return value;
  }

  // (key), flags, width, precision, type.
  void conversion() {
    std::optional<Value> named;
    if (peek() == '(') {
      const std::size_t end = text_.find(')', at_);
      if (end == std::string_view::npos || !values_.is(Type::dict)) {
        runtime_.fail("the format '{}' needs a mapping", text_);
      }
      const Value* found = values_.dict->find(text_.substr(at_ + 1, end - at_ - 1));
      if (found == nullptr) {
        runtime_.fail("the format '{}' needs '{}'", text_, text_.substr(at_ + 1, end - at_ - 1));
      }
      named = *found;
      at_ = end + 1;
    }
    FormatSpec spec;
    flags(spec);
    spec.width = number();
    if (peek() == '.') {
      ++at_;
      spec.precision = number();
    }
    while (peek() == 'l' || peek() == 'h' || peek() == 'L') {
      ++at_;
    }
    spec.type = peek();
    ++at_;
    if (spec.type == '%') {
      out_ += '%';
    } else {
      write(named ? *named : next_value(), spec);
    }
  }

  void flags(FormatSpec& spec) {
    spec.align = '>';
    for (;; ++at_) {
      switch (peek()) {
        case '-':
          spec.align = '<';
          break;
        case '+':
          spec.sign = '+';
          break;
        case ' ':
          spec.sign = spec.sign == '+' ? '+' : ' ';
          break;
        case '#':
          spec.alternate = true;
          break;
        case '0':
          spec.zero = true;
          break;
        default:
          return;
      }
    }
  }

  void write(const Value& value, FormatSpec& spec) {
    if (value.is(Type::undefined) && spec.type != 's' && spec.type != 'r') {
      runtime_.fail_undefined(*value.undefined);
    }
    if (spec.type == 's' || spec.type == 'r' || spec.type == 'a' || spec.type == 'c') {
      std::string text;
      if (spec.type == 's') {
        append_text(runtime_, value, text);
      } else if (spec.type == 'c' && value.is_string() && count_points(*value.str) == 1) {
        text = value.text();
      } else if (spec.type == 'c') {
        runtime_.fail("%c needs one character, not {}", type_name(value));
      } else {
        append_repr(runtime_, value, text);
      }
      out_ += format_text(runtime_, text, spec);
      return;
    }
    if (!value.is_number()) {
      runtime_.fail("%{} needs a number, not {}", spec.type, type_name(value));
    }
    if (spec.zero && spec.align != '<') {
      spec.fill.assign(1, '0');
      spec.align = '=';
    }
    const bool whole = std::string_view("diuxXo").find(spec.type) != std::string_view::npos;
    if (whole && value.is(Type::real) && (spec.type == 'd' || spec.type == 'i' || spec.type == 'u')) {
      if (!(std::abs(value.real) < kMostWhole)) {
        runtime_.fail("{} fits no whole number of 64 bits", value.real);
      }
      out_ += format_number(runtime_, Value::of(static_cast<int64_t>(value.real)), spec);
    } else if (whole && value.is(Type::real)) {
      runtime_.fail("%{} needs a whole number", spec.type);
    } else {
      out_ += format_number(runtime_, value, spec);
    }
  }

  Runtime& runtime_;
  std::string_view text_;
  const Value& values_;
  std::size_t at_ = 0;
  std::size_t used_ = 0;
  std::string out_;
};

/// One rendering of `"...".format(...)`.
class BraceFormat {
 public:
  BraceFormat(Runtime& runtime, const Args& args) : runtime_(runtime), args_(args) {}

  std::string run(std::string_view text, int level = 0) {
    if (level > 2) {
      runtime_.fail("a format's fields nest too deep");
    }
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
      const char c = text[at];
      if ((c == '{' || c == '}') && at + 1 < text.size() && text[at + 1] == c) {
        out += c;
        at += 2;
      } else if (c == '{') {
        const std::size_t end = field_end(text, at + 1);
        out += field(text.substr(at + 1, end - at - 1), level);
        at = end + 1;
      } else if (c == '}') {
        runtime_.fail("a single '}}' in the format '{}'", text);
      } else {
        out += c;
        ++at;
      }
    }
    return out;
  }

 private:
  std::size_t field_end(std::string_view text, std::size_t at) {
    for (int open = 1; at < text.size(); ++at) {
      open += text[at] == '{' ? 1 : text[at] == '}' ? -1 : 0;
      if (open == 0) {
        return at;
      }
    }
    runtime_.fail("a '{{' without its '}}' in the format '{}'", text);
  }

  // name[!conversion][:specification]
  std::string field(std::string_view text, int level) {
    const std::size_t end = std::min(text.find_first_of("!:"), text.size());
    Value value = resolve(text.substr(0, end));
    std::string_view rest = text.substr(end);
    if (rest.size() >= 2 && rest[0] == '!') {
      std::string converted;
      rest[1] == 's' ? append_text(runtime_, value, converted) : append_repr(runtime_, value, converted);
      value = runtime_.text(converted);
      rest.remove_prefix(2);
    }
    const std::string spec = rest.empty() ? std::string() : run(rest.substr(1), level + 1);
    return format_value(runtime_, value, spec);
  }

  // first.attribute[item]...
  Value resolve(std::string_view path) {
    const std::size_t end = std::min(path.find_first_of(".["), path.size());
    Value value = first(path.substr(0, end));
    for (path.remove_prefix(end); !path.empty();) {
      const bool attribute = path[0] == '.';
      const std::size_t stop = attribute ? std::min(path.find_first_of(".[", 1), path.size()) : path.find(']');
      if (stop == std::string_view::npos) {
        runtime_.fail("a '[' without its ']' in a format");
      }
      const std::string_view name = path.substr(1, stop - 1);
      value = attribute ? get_attribute(runtime_, value, name) : get_item(runtime_, value, key(name));
      path.remove_prefix(attribute ? stop : stop + 1);
    }
    return value;
  }

  Value key(std::string_view name) {
    int64_t index = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), index);
    const bool whole = !name.empty() && parsed.ec == std::errc() && parsed.ptr == name.data() + name.size();
    return whole ? Value::of(index) : runtime_.text(name);
  }

  Value first(std::string_view name) {
    if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0])) != 0) {
      const Value index = name.empty() ? Value::of(next_++) : key(name);
      if (!index.is_int() || index.integer >= static_cast<int64_t>(args_.count)) {
        runtime_.fail("a format needs more values than it was given");
      }
      return args_.positional[index.integer];
    }
    for (std::size_t i = 0; i < args_.named_count; ++i) {
      if (args_.named[i].first == name) {
        return args_.named[i].second;
      }
    }
    runtime_.fail("a format needs '{}'", name);
  }

  Runtime& runtime_;
  const Args& args_;
  int64_t next_ = 0;
};

}  // namespace

Value format_percent(Runtime& runtime, const Value& text, const Value& values) {
  return runtime.text(PercentFormat(runtime, text.text(), values).run(), text.str->safe);
}

Value format_braces(Runtime& runtime, const Value& text, const Args& args) {
  return runtime.text(BraceFormat(runtime, args).run(text.text()), text.str->safe);
}

}  // namespace dstorch::text::jinja
