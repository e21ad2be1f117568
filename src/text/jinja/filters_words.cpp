// Filters that look at a text's words and lines, or print any value.
#include "text/jinja/filters.h"
#include "text/jinja/objects.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"
#include "text/jinja/runtime.h"
#include "text/jinja/split_text.h"
#include "text/jinja/text_case.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace dstorch::text::jinja {
namespace {

// As `title` of text, but for what begins a word: after white space, a hyphen or an opening bracket alone.
Value title(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "title", args, {});
  const std::string_view text = to_text(runtime, value);
  std::string out;
  const auto separates = [&](std::size_t at) {
    const char32_t c = read_utf8(text, at);
    return is_python_space(c) ||
           (c < 0x80 && std::string_view("-({[<").find(static_cast<char>(c)) != std::string_view::npos);
  };
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at;
    while (end < text.size() && separates(end) == separates(at)) {
      end += utf8_length(text[end]);
    }
    out += upper_first(text.substr(at, end - at));
    at = end;
  }
  return runtime.text(out);
}

Value wordcount(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "wordcount", args, {});
  const std::string_view text = to_text(runtime, value);
  int64_t count = 0;
  bool inside = false;
  for (std::size_t at = 0; at < text.size();) {
    const bool word = is_word(read_utf8(text, at));
    count += word && !inside ? 1 : 0;
    inside = word;
  }
  return Value::of(count);
}

Value truncate(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "truncate", args, {"length", "killwords", "end", "leeway"});
  if (!value.is_string()) {
    runtime.fail("truncate needs text, not {}", type_name(value));
  }
  const int64_t most = bound.index(0, 255);
  const std::string_view end = bound.text(2, "...");
  const int64_t leeway = bound.has_some(3) ? bound.index(3, 5) : 5;
  const int64_t end_size = count_points(end);
  if (most < end_size || leeway < 0) {
    runtime.fail("truncate needs a length of at least {} and a leeway of at least 0", end_size);
  }
  if (count_points(*value.str) <= most + leeway) {
    return value;
  }
  std::string_view kept = value.text().substr(0, byte_of_point(value.text(), most - end_size));
  if (!bound.flag(1)) {
    kept = kept.substr(0, kept.rfind(' '));
  }
  return runtime.text(std::string(kept) + std::string(end), value.str->safe);
}

Value unsupported(Runtime& runtime, const Value& /*value*/, const Args& /*args*/) {
  runtime.unsupported(
      "a filter that templates of chats do not use (striptags, wordwrap, urlize, xmlattr, pprint or random)");
}

}  // namespace

const NamedFilter kWordFilters[] = {
    {"title", title},           {"wordcount", wordcount},
    {"truncate", truncate},     {"wordwrap", unsupported},
    {"urlize", unsupported},    {"xmlattr", unsupported},
    {"pprint", unsupported},    {"random", unsupported},
    {"striptags", unsupported}, {{}, nullptr},
};

}  // namespace dstorch::text::jinja
