// Filters that make or change numbers, and `default`.
#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "text/jinja/filters.h"
#include "text/jinja/numbers.h"
#include "text/jinja/objects.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"
#include "text/jinja/runtime.h"

namespace dstorch::text::jinja {
namespace {

using Type = Value::Type;

Value default_value(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "default", args, {"default_value", "boolean"});
  const bool replaced = value.is(Type::undefined) || (bound.flag(1) && !truth(runtime, value));
  return replaced ? bound.get(0, runtime.view("")) : value;
}

Value absolute(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "abs", args, {});
  if (!value.is_number()) {
    runtime.fail("abs needs a number, not {}", type_name(value));
  }
  const bool negative = value.is(Type::real) ? std::signbit(value.real) : value.as_int() < 0;
  return negative ? negate(runtime, value) : plus(runtime, value);
}

int64_t to_whole(Runtime& runtime, double value) {
  if (!(std::abs(value) < kMostWhole)) {
    runtime.fail("a whole number must fit 64 bits");
  }
  return static_cast<int64_t>(value);
}

Value integer(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "int", args, {"default", "base"});
  const Value fallback = bound.get(0, Value::of(int64_t{0}));
  if (value.is(Type::undefined)) {
    runtime.fail_undefined(*value.undefined);
  }
  if (value.is_int()) {
    return Value::of(value.as_int());
  }
  double real = 0;
  if (value.is(Type::real)) {
    real = value.real;
  } else if (value.is_string()) {
    if (const auto whole = parse_whole(value.text(), bound.index(1, 10))) {
      return Value::of(*whole);
    }
    const auto parsed = parse_real(value.text());
    if (!parsed) {
      return fallback;
    }
    real = *parsed;
  } else {
    return fallback;
  }
  return std::isfinite(real) ? Value::of(to_whole(runtime, real)) : fallback;
}

Value floating(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "float", args, {"default"});
  if (value.is(Type::undefined)) {
    runtime.fail_undefined(*value.undefined);
  }
  if (value.is_number()) {
    return Value::of(value.as_real());
  }
  const auto parsed = value.is_string() ? parse_real(value.text()) : std::nullopt;
  return parsed ? Value::of(*parsed) : bound.get(0, Value::of(0.0));
}

// Half goes to the even neighbour, as the decimal digits say.
double round_common(double value, int64_t precision) {
  if (!std::isfinite(value) || precision > 300) {
    return value;
  }
  if (precision < 0) {
    const double unit = std::pow(10.0, -static_cast<double>(precision));
    return std::nearbyint(value / unit) * unit;
  }
  double rounded = 0;
  const std::string digits = fmt::format("{:.{}f}", value, static_cast<int>(precision));
  std::from_chars(digits.data(), digits.data() + digits.size(), rounded);
  return rounded;
}

Value round(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "round", args, {"precision", "method"});
  const std::string_view method = bound.text(1, "common");
  const int64_t precision = bound.index(0, 0);
  if (method != "common" && method != "ceil" && method != "floor") {
    runtime.fail("round's method is \"common\", \"ceil\" or \"floor\", not \"{}\"", method);
  }
  if (!value.is_number()) {
    runtime.fail("round needs a number, not {}", type_name(value));
  }
  if (method == "common" && value.is_int()) {
    // Whole numbers stay whole.
    return Value::of(precision >= 0 ? value.as_int() : to_whole(runtime, round_common(value.as_real(), precision)));
  }
  if (method == "common") {
    return Value::of(round_common(value.real, precision));
  }
  const double unit = std::pow(10.0, static_cast<double>(precision));
  const double scaled = value.as_real() * unit;
  return Value::of((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / unit);
}

Value sum(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "sum", args, {"attribute", "start"});
  const AttributeGetter get(runtime, bound.has(0) ? &bound[0] : nullptr);
  Value total = bound.get(1, Value::of(int64_t{0}));
  if (total.is_string()) {
    runtime.fail("sum does not add texts: use join");
  }
  Iterator* values = iterate(runtime, value);
  for (Value item; values->next(item);) {
    total = binary(runtime, BinaryOp::add, total, get(item));
  }
  return total;
}

Value filesizeformat(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "filesizeformat", args, {"binary"});
  const auto parsed = value.is_number()   ? std::optional<double>(value.as_real())
                      : value.is_string() ? parse_real(value.text())
                                          : std::nullopt;
  if (!parsed) {
    runtime.fail("filesizeformat needs a number");
  }
  const double base = bound.flag(0) ? 1024 : 1000;
  if (*parsed == 1) {
    return runtime.text("1 Byte");
  }
  if (*parsed < base) {
    return runtime.text(fmt::format("{} Bytes", to_whole(runtime, *parsed)));
  }
  constexpr std::string_view kPrefixes = "kMGTPEZY";
  double unit = base;
  std::size_t i = 0;
  while (i + 1 < kPrefixes.size() && *parsed >= unit * base) {
    unit *= base;
    ++i;
  }
  const std::string prefix =
      bound.flag(0) ? (i == 0 ? "Ki" : std::string(1, kPrefixes[i]) + "i") : std::string(1, kPrefixes[i]);
  return runtime.text(fmt::format("{:.1f} {}B", *parsed / unit, prefix));
}

}  // namespace

const NamedFilter kNumberFilters[] = {
    {"default", default_value},
    {"d", default_value},
    {"abs", absolute},
    {"int", integer},
    {"float", floating},
    {"round", round},
    {"sum", sum},
    {"filesizeformat", filesizeformat},
    {{}, nullptr},
};

}  // namespace dstorch::text::jinja
