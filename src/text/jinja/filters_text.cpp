// Filters that make one text of another.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "text/jinja/filters.h"
#include "text/jinja/format.h"
#include "text/jinja/objects.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"
#include "text/jinja/runtime.h"
#include "text/jinja/split_text.h"
#include "text/jinja/text_case.h"

namespace dstorch::text::jinja {
namespace {

using Type = Value::Type;

// Python's str(x), which leaves text marked safe as it is.
Value as_text(Runtime& runtime, const Value& value) {
  return value.is_string() ? value : runtime.view(to_text(runtime, value));
}

template <std::string (*Change)(std::string_view)>
Value changed(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "filter", args, {});
  const Value text = as_text(runtime, value);
  return runtime.text(Change(text.text()), text.str->safe);
}

Value string(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "string", args, {});
  return as_text(runtime, value);
}

Value trim(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "trim", args, {"chars"});
  const Value text = as_text(runtime, value);
  const std::string_view chars = bound.has_some(0) ? bound.text(0) : std::string_view();
  return runtime.view(strip(text.text(), bound.has_some(0) ? &chars : nullptr, Side::both), text.str->safe);
}

Value replace(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "replace", args, {"old", "new", "count"}, 2);
  const int64_t most = bound.has_some(2) ? bound.index(2, -1) : -1;
  const std::string_view text = to_text(runtime, value);
  runtime.charge_text(text.size());
  return runtime.text(replace_all(runtime, text, to_text(runtime, bound[0]), to_text(runtime, bound[1]), most));
}

Value indent(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "indent", args, {"width", "first", "blank"});
  if (value.is(Type::undefined)) {
    runtime.fail_undefined(*value.undefined);
  }
  if (!value.is_string()) {
    runtime.fail("indent needs text, not {}", type_name(value));
  }
  const bool by_text = bound.has(0) && bound[0].is_string();
  const int64_t width = by_text ? 0 : std::max<int64_t>(bound.index(0, 4), 0);
  runtime.charge_text(static_cast<std::size_t>(width));
  const std::string space = by_text ? std::string(bound[0].text()) : std::string(static_cast<std::size_t>(width), ' ');
  const std::string text = std::string(value.text()) + "\n";
  std::string out = bound.flag(1) ? space : "";
  bool first = true;
  for (const std::string_view line : split_lines(text, false)) {
    if (!first) {
      out += '\n';
      out += bound.flag(2) || !line.empty() ? std::string_view(space) : std::string_view();
    }
    out += line;
    first = false;
    runtime.charge(1 + space.size() / 8);
    runtime.check_text(out.size());
  }
  return runtime.text(out, value.str->safe);
}

Value center(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "center", args, {"width"});
  FormatSpec spec;
  const Value text = as_text(runtime, value);
  const int64_t width = std::max<int64_t>(bound.index(0, 80), 0);
  const int64_t missing = width - count_points(*text.str);
  // As str.center: the odd blank goes left only when the width is odd.
  const int64_t left = missing <= 0 ? 0 : missing / 2 + (missing & width & 1);
  spec.align = '>';
  spec.width = missing <= 0 ? 0 : width - (missing - left);
  const std::string padded = format_text(runtime, text.text(), spec);
  spec.align = '<';
  spec.width = width;
  return runtime.text(format_text(runtime, padded, spec), text.str->safe);
}

Value escape(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "escape", args, {});
  if (value.is_string() && value.str->safe) {
    return value;
  }
  return runtime.text(escape_html(to_text(runtime, value)), true);
}

Value force_escape(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "forceescape", args, {});
  return runtime.text(escape_html(to_text(runtime, value)), true);
}

Value safe(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "safe", args, {});
  return runtime.view(to_text(runtime, value), true);
}

Value format(Runtime& runtime, const Value& value, const Args& args) {
  if (args.count != 0 && args.named_count != 0) {
    runtime.fail("format cannot take values by place and by name at once");
  }
  const Value text = as_text(runtime, value);
  if (args.named_count != 0) {
    Dict* named = runtime.dict();
    for (std::size_t i = 0; i < args.named_count; ++i) {
      named->set(runtime, runtime.text(args.named[i].first), args.named[i].second);
    }
    return format_percent(runtime, text, Value::of(named));
  }
  List* values = runtime.list();
  values->items.assign(args.positional, args.positional + args.count);
  return format_percent(runtime, text, Value::of(values, true));
}

Value urlencode(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "urlencode", args, {});
  const auto quoted = [&](const Value& part, bool query) {
    std::string out;
    for (const char c : to_text(runtime, part)) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte < 0x80 && (std::isalnum(byte) != 0 || std::string_view("_.-~").find(c) != std::string_view::npos ||
                          (c == '/' && !query))) {
        out += c;
      } else {
        out += c == ' ' && query ? "+" : fmt::format("%{:02X}", byte);
      }
    }
    return out;
  };
  Iterator* pairs = value.is_string() ? nullptr
                    : value.is(Type::dict)
                        ? runtime.arena.make<DictView>(*value.dict, DictView::Kind::items)->iterate(runtime)
                        : iterate_or_null(runtime, value);
  if (pairs == nullptr) {
    return runtime.text(quoted(value, false));
  }
  std::string out;
  for (Value pair; pairs->next(pair);) {
    if (!pair.is_sequence() || pair.list->items.size() != 2) {
      runtime.fail("urlencode needs pairs");
    }
    if (!out.empty()) {
      out += '&';
    }
    out.append(quoted(pair.list->items[0], true)).append("=").append(quoted(pair.list->items[1], true));
    runtime.charge_text(out.size());
  }
  return runtime.text(out);
}

}  // namespace

const NamedFilter kTextFilters[] = {
    {"upper", changed<to_upper>},
    {"lower", changed<to_lower>},
    {"capitalize", changed<capitalize>},
    {"string", string},
    {"trim", trim},
    {"replace", replace},
    {"indent", indent},
    {"center", center},
    {"escape", escape},
    {"e", escape},
    {"forceescape", force_escape},
    {"safe", safe},
    {"format", format},
    {"urlencode", urlencode},
    {"tojson", to_json},
    {{}, nullptr},
};

}  // namespace dstorch::text::jinja
