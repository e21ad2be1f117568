// The methods of Python's str.
#include <algorithm>
#include <limits>

#include "text/jinja/attributes.h"
#include "text/jinja/format.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"
#include "text/jinja/runtime.h"
#include "text/jinja/split_text.h"
#include "text/jinja/text_case.h"
#include "text/utf8.h"

namespace dstorch::text::jinja {
namespace {

using Type = Value::Type;

// The result of a method on `self`: marked safe when `self` is.
Value like(Runtime& runtime, const Value& self, std::string_view text) { return runtime.text(text, self.str->safe); }

// An argument that goes into the result: escaped when `self` is marked safe.
std::string inserted(const Value& self, std::string_view text) {
  return self.str->safe ? escape_html(text) : std::string(text);
}

template <std::string (*Change)(std::string_view)>
Value change_case(Runtime& runtime, const Value& self, const Args& args) {
  const Bound bound(runtime, "str method", args, {});
  runtime.charge_text(self.text().size());
  return like(runtime, self, Change(self.text()));
}

template <Side side>
Value strip_method(Runtime& runtime, const Value& self, const Args& args) {
  const Bound bound(runtime, "strip", args, {"chars"});
  const bool given = bound.has_some(0);
  const std::string_view chars = given ? bound.text(0) : std::string_view();
  return runtime.view(strip(self.text(), given ? &chars : nullptr, side), self.str->safe);
}

Value list_of(Runtime& runtime, const Value& self, const std::vector<std::string_view>& parts) {
  List* list = runtime.list();
  runtime.charge(parts.size());
  list->items.reserve(parts.size());
  for (const std::string_view part : parts) {
    list->items.push_back(runtime.view(part, self.str->safe));
  }
  return Value::of(list);
}

template <bool from_right>
Value split_method(Runtime& runtime, const Value& self, const Args& args) {
  const Bound bound(runtime, from_right ? "rsplit" : "split", args, {"sep", "maxsplit"});
  const int64_t most = bound.index(1, -1);
  runtime.charge(1 + self.text().size() / 8);
  if (!bound.has_some(0)) {
    return list_of(runtime, self, split_on_space(self.text(), most, from_right));
  }
  if (bound.text(0).empty()) {
    runtime.fail("split() needs a separator that is not empty");
  }
  return list_of(runtime, self, split_on(self.text(), bound.text(0), most, from_right));
}

Value splitlines(Runtime& runtime, const Value& self, const Args& args) {
  const Bound bound(runtime, "splitlines", args, {"keepends"});
  runtime.charge(1 + self.text().size() / 8);
  return list_of(runtime, self, split_lines(self.text(), bound.flag(0)));
}

template <bool from_right>
Value partition(Runtime& runtime, const Value& self, const Args& args) {
  const Bound bound(runtime, "partition", args, {"sep"}, 1);
  const std::string_view text = self.text();
  const std::string_view separator = bound.text(0);
  if (separator.empty()) {
    runtime.fail("partition() needs a separator that is not empty");
  }
  runtime.charge(1 + text.size() / 64);
  const std::size_t at = from_right ? text.rfind(separator) : text.find(separator);
  const auto part = [&](std::string_view piece) { return runtime.view(piece, self.str->safe); };
  if (at == std::string_view::npos) {
    return from_right ? runtime.tuple({part(""), part(""), self}) : runtime.tuple({self, part(""), part("")});
  }
  return runtime.tuple({part(text.substr(0, at)), part(separator), part(text.substr(at + separator.size()))});
}

Value replace_in(Runtime& runtime, const Value& self, const Args& args) {
  const Bound bound(runtime, "replace", args, {"old", "new", "count"}, 2);
  runtime.charge_text(self.text().size());
  return like(runtime, self,
              replace_all(runtime, self.text(), inserted(self, bound.text(0)), inserted(self, bound.text(1)),
                          bound.index(2, -1)));
}

Value join_items(Runtime& runtime, const Value& self, const Args& args) {
  const Bound bound(runtime, "join", args, {"iterable"}, 1);
  std::string out;
  bool first = true;
  Iterator* values = iterate(runtime, bound[0]);
  for (Value value; values->next(value); first = false) {
    if (!value.is_string()) {
      runtime.fail("join() needs texts, not {}", type_name(value));
    }
    out += first ? std::string_view() : self.text();
    out += self.str->safe && !value.str->safe ? inserted(self, value.text()) : std::string(value.text());
    runtime.charge(1 + value.text().size() / 8);
    runtime.check_text(out.size());
  }
  return like(runtime, self, out);
}

// `self[start:end]` as the methods that search take it.
struct Section {
  std::string_view text;
  int64_t start = 0;
};

Section section(Runtime& runtime, const Value& self, const Bound& bound, std::size_t first) {
  const int64_t size = count_points(*self.str);
  const auto place = [&](std::size_t i, int64_t absent) {
    const int64_t at = bound.has_some(i) ? bound.index(i, 0) : absent;
    return at < 0 ? std::max<int64_t>(at + size, 0) : at;
  };
  const int64_t start = place(first, 0);
  const int64_t end = std::min(place(first + 1, size), size);
  runtime.charge(1 + self.text().size() / 16);
  if (start > end) {
    return {{}, -1};
  }
  const std::string_view text = self.text().substr(byte_of_point(self.text(), start));
  return {text.substr(0, byte_of_point(text, end - start)), start};
}

template <bool at_end>
Value starts_or_ends(Runtime& runtime, const Value& self, const Args& args) {
  const Bound bound(runtime, at_end ? "endswith" : "startswith", args, {at_end ? "suffix" : "prefix", "start", "end"},
                    1);
  const Section part = section(runtime, self, bound, 1);
  const auto fits = [&](const Value& affix) {
    if (!affix.is_string()) {
      runtime.fail("{}() needs text or a tuple of texts, not {}", at_end ? "endswith" : "startswith", type_name(affix));
    }
    return part.start >= 0 && (at_end ? part.text.ends_with(affix.text()) : part.text.starts_with(affix.text()));
  };
  if (bound[0].is(Type::tuple)) {
    const auto& items = bound[0].list->items;
    return Value::of(std::any_of(items.begin(), items.end(), fits));
  }
  if (bound[0].is(Type::undefined)) {
    runtime.fail_undefined(*bound[0].undefined);
  }
  return Value::of(fits(bound[0]));
}

enum class Search { find, rfind, index, rindex };

template <Search search>
Value find_method(Runtime& runtime, const Value& self, const Args& args) {
  constexpr bool kFromRight = search == Search::rfind || search == Search::rindex;
  const Bound bound(runtime, "find", args, {"sub", "start", "end"}, 1);
  const Section part = section(runtime, self, bound, 1);
  const std::size_t at = part.start < 0 ? std::string_view::npos
                         : kFromRight   ? part.text.rfind(bound.text(0))
                                        : part.text.find(bound.text(0));
  if (at != std::string_view::npos) {
    return Value::of(part.start + count_points(part.text.substr(0, at)));
  }
  if (search == Search::index || search == Search::rindex) {
    runtime.fail("index() did not find '{}'", bound.text(0));
  }
  return Value::of(int64_t{-1});
}

Value count(Runtime& runtime, const Value& self, const Args& args) {
  const Bound bound(runtime, "count", args, {"sub", "start", "end"}, 1);
  const Section part = section(runtime, self, bound, 1);
  const std::string_view wanted = bound.text(0);
  if (part.start < 0) {
    return Value::of(int64_t{0});
  }
  if (wanted.empty()) {
    return Value::of(count_points(part.text) + 1);
  }
  int64_t found = 0;
  for (std::size_t at = part.text.find(wanted); at != std::string_view::npos;
       at = part.text.find(wanted, at + wanted.size())) {
    ++found;
  }
  return Value::of(found);
}

template <char align>
Value justify(Runtime& runtime, const Value& self, const Args& args) {
  const Bound bound(runtime, "center", args, {"width", "fillchar"}, 1);
  const std::string_view fill = bound.text(1, " ");
  if (count_points(fill) != 1) {
    runtime.fail("the fill character must be one character");
  }
  const int64_t width = std::max<int64_t>(bound.index(0, 0), 0);
  const int64_t missing = std::max<int64_t>(width - count_points(*self.str), 0);
  // Python puts the odd character on the left only when the width is odd.
  const int64_t left = align == '<' ? 0 : align == '>' ? missing : missing / 2 + (missing & width & 1);
  runtime.charge_text(static_cast<std::size_t>(std::min(missing, std::numeric_limits<int64_t>::max() / 4)) *
                      fill.size());
  std::string out;
  for (int64_t i = 0; i < left; ++i) {
    out += fill;
  }
  out += self.text();
  for (int64_t i = left; i < missing; ++i) {
    out += fill;
  }
  return like(runtime, self, out);
}

Value zfill(Runtime& runtime, const Value& self, const Args& args) {
  const Bound bound(runtime, "zfill", args, {"width"}, 1);
  const std::string_view text = self.text();
  const int64_t width = std::max<int64_t>(bound.index(0, 0), 0);
  const int64_t missing = std::max<int64_t>(width - count_points(*self.str), 0);
  runtime.charge_text(static_cast<std::size_t>(missing));
  const std::size_t sign = !text.empty() && (text[0] == '+' || text[0] == '-') ? 1 : 0;
  return like(runtime, self,
              std::string(text.substr(0, sign)) + std::string(static_cast<std::size_t>(missing), '0') +
                  std::string(text.substr(sign)));
}

template <bool at_end>
Value remove_affix(Runtime& runtime, const Value& self, const Args& args) {
  const Bound bound(runtime, "removeprefix", args, {"affix"}, 1);
  std::string_view text = self.text();
  const std::string_view affix = bound.text(0);
  if (at_end && text.ends_with(affix)) {
    text.remove_suffix(affix.size());
  } else if (!at_end && text.starts_with(affix)) {
    text.remove_prefix(affix.size());
  }
  return runtime.view(text, self.str->safe);
}

Value expandtabs(Runtime& runtime, const Value& self, const Args& args) {
  const Bound bound(runtime, "expandtabs", args, {"tabsize"});
  const int64_t size = bound.index(0, 8);
  std::string out;
  int64_t column = 0;
  for (const char c : self.text()) {
    if (c != '\t') {
      out += c;
      column = c == '\n' || c == '\r' ? 0 : column + ((static_cast<unsigned char>(c) & 0xC0U) != 0x80U ? 1 : 0);
      continue;
    }
    const int64_t spaces = size > 0 ? size - column % size : 0;
    runtime.charge_text(static_cast<std::size_t>(spaces));
    out.append(static_cast<std::size_t>(spaces), ' ');
    column += spaces;
  }
  return like(runtime, self, out);
}

Value format_method(Runtime& runtime, const Value& self, const Args& args) {
  return format_braces(runtime, self, args);
}

template <bool (*Is)(std::string_view)>
Value predicate(Runtime& runtime, const Value& self, const Args& args) {
  const Bound bound(runtime, "str method", args, {});
  runtime.charge(1 + self.text().size() / 8);
  return Value::of(Is(self.text()));
}

struct Method {
  std::string_view name;
  Function::Body body;
};

constexpr Method kMethods[] = {
    {"strip", strip_method<Side::both>},
    {"lstrip", strip_method<Side::left>},
    {"rstrip", strip_method<Side::right>},
    {"split", split_method<false>},
    {"rsplit", split_method<true>},
    {"splitlines", splitlines},
    {"startswith", starts_or_ends<false>},
    {"endswith", starts_or_ends<true>},
    {"replace", replace_in},
    {"join", join_items},
    {"upper", change_case<to_upper>},
    {"lower", change_case<to_lower>},
    {"title", change_case<to_title>},
    {"capitalize", change_case<capitalize>},
    {"swapcase", change_case<swap_case>},
    {"casefold", change_case<case_fold>},
    {"find", find_method<Search::find>},
    {"rfind", find_method<Search::rfind>},
    {"index", find_method<Search::index>},
    {"rindex", find_method<Search::rindex>},
    {"count", count},
    {"partition", partition<false>},
    {"rpartition", partition<true>},
    {"format", format_method},
    {"center", justify<'^'>},
    {"ljust", justify<'<'>},
    {"rjust", justify<'>'>},
    {"zfill", zfill},
    {"removeprefix", remove_affix<false>},
    {"removesuffix", remove_affix<true>},
    {"expandtabs", expandtabs},
    {"isalnum", predicate<is_alphanumeric>},
    {"isalpha", predicate<is_alphabetic>},
    {"isdecimal", predicate<is_decimal>},
    {"isdigit", predicate<is_digits>},
    {"isnumeric", predicate<is_numeric>},
    {"isspace", predicate<is_white_space>},
    {"isascii", predicate<is_ascii>},
    {"islower", predicate<is_lower_case>},
    {"isupper", predicate<is_upper_case>},
    {"istitle", predicate<is_title_case>},
    {"isidentifier", predicate<is_identifier>},
};

}  // namespace

Function::Body find_string_method(std::string_view name) {
  for (const Method& method : kMethods) {
    if (method.name == name) {
      return method.body;
    }
  }
  return nullptr;
}

}  // namespace dstorch::text::jinja
