// + - * / // % ** as Python has them, on numbers, texts and lists. Whole numbers have 64 bits here.
#include <cmath>
#include <limits>

#include "text/jinja/format.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"
#include "text/jinja/runtime.h"

namespace dstorch::text::jinja {
namespace {

using Type = Value::Type;

constexpr std::string_view kSymbols[] = {"+", "-", "*", "/", "//", "%", "**"};

[[noreturn]] void fail_types(Runtime& runtime, BinaryOp op, const Value& a, const Value& b) {
  for (const Value* side : {&a, &b}) {
    if (side->is(Type::undefined)) {
      runtime.fail_undefined(*side->undefined);
    }
  }
  runtime.fail("'{}' does not work on {} and {}", kSymbols[static_cast<std::size_t>(op)], type_name(a), type_name(b));
}

int64_t checked(Runtime& runtime, bool overflow, int64_t result) {
  if (overflow) {
    runtime.fail("a whole number must fit 64 bits");
  }
  return result;
}

int64_t floor_divide(Runtime& runtime, int64_t a, int64_t b) {
  if (b == 0) {
    runtime.fail("division by zero");
  }
  checked(runtime, b == -1 && a == std::numeric_limits<int64_t>::min(), 0);
  const int64_t quotient = a / b;
  return quotient - ((a % b != 0 && (a < 0) != (b < 0)) ? 1 : 0);
}

int64_t modulo(Runtime& runtime, int64_t a, int64_t b) {
  if (b == -1) {
    return 0;
  }
  if (b == 0) {
    runtime.fail("division by zero");
  }
  const int64_t rest = a % b;
  return rest + ((rest != 0 && (rest < 0) != (b < 0)) ? b : 0);
}

double modulo(Runtime& runtime, double a, double b) {
  if (b == 0) {
    runtime.fail("division by zero");
  }
  const double rest = std::fmod(a, b);
  if (rest == 0) {
    return std::copysign(0.0, b);
  }
  return (rest < 0) != (b < 0) ? rest + b : rest;
}

int64_t power(Runtime& runtime, int64_t base, int64_t exponent) {
  int64_t result = 1;
  for (int64_t i = 0; i < exponent && result != 0 && (base != 1 || i == 0); ++i) {
    // -1 has only two powers.
    if (base == -1) {
      return exponent % 2 == 0 ? 1 : -1;
    }
    int64_t next = 0;
    const bool overflow = __builtin_mul_overflow(result, base, &next);
    result = checked(runtime, overflow, next);
  }
  return result;
}

Value whole(Runtime& runtime, BinaryOp op, int64_t a, int64_t b) {
  int64_t result = 0;
  switch (op) {
    case BinaryOp::add: {
      const bool overflow = __builtin_add_overflow(a, b, &result);
      return Value::of(checked(runtime, overflow, result));
    }
    case BinaryOp::subtract: {
      const bool overflow = __builtin_sub_overflow(a, b, &result);
      return Value::of(checked(runtime, overflow, result));
    }
    case BinaryOp::multiply: {
      const bool overflow = __builtin_mul_overflow(a, b, &result);
      return Value::of(checked(runtime, overflow, result));
    }
    case BinaryOp::divide:
      if (b == 0) {
        runtime.fail("division by zero");
      }
      return Value::of(static_cast<double>(a) / static_cast<double>(b));
    case BinaryOp::floor_divide:
      return Value::of(floor_divide(runtime, a, b));
    case BinaryOp::modulo:
      return Value::of(modulo(runtime, a, b));
    case BinaryOp::power:
      if (b < 0) {
        if (a == 0) {
          runtime.fail("zero has no negative power");
        }
        return Value::of(std::pow(static_cast<double>(a), static_cast<double>(b)));
      }
      return Value::of(power(runtime, a, b));
  }
  return Value::none();
}

Value real(Runtime& runtime, BinaryOp op, double a, double b) {
  switch (op) {
    case BinaryOp::add:
      return Value::of(a + b);
    case BinaryOp::subtract:
      return Value::of(a - b);
    case BinaryOp::multiply:
      return Value::of(a * b);
    case BinaryOp::divide:
    case BinaryOp::floor_divide: {
      if (b == 0) {
        runtime.fail("division by zero");
      }
      if (op == BinaryOp::divide) {
        return Value::of(a / b);
      }
      const double quotient = (a - modulo(runtime, a, b)) / b;
      const double below = std::floor(quotient);
      return Value::of(quotient - below > 0.5 ? below + 1 : below);
    }
    case BinaryOp::modulo:
      return Value::of(modulo(runtime, a, b));
    case BinaryOp::power: {
      const double result = std::pow(a, b);
      if ((a == 0 && b < 0) || (std::isnan(result) && !std::isnan(a) && !std::isnan(b)) ||
          (std::isinf(result) && std::isfinite(a) && std::isfinite(b))) {
        runtime.fail("{} has no power {} that is a number here", a, b);
      }
      return Value::of(result);
    }
  }
  return Value::none();
}

Value add_texts(Runtime& runtime, const Value& a, const Value& b) {
  const bool safe = a.str->safe || b.str->safe;
  const auto side = [&](const Value& value) {
    return safe && !value.str->safe ? escape_html(value.text()) : std::string(value.text());
  };
  if (safe) {
    return runtime.text(side(a) + side(b), true);
  }
  runtime.charge_text(a.text().size() + b.text().size());
  return runtime.view(runtime.arena.join(a.text(), b.text()));
}

Value add_lists(Runtime& runtime, const Value& a, const Value& b) {
  List* joined = runtime.list();
  runtime.charge(a.list->items.size() + b.list->items.size());
  joined->items.reserve(a.list->items.size() + b.list->items.size());
  for (const Value* side : {&a, &b}) {
    joined->items.insert(joined->items.end(), side->list->items.begin(), side->list->items.end());
  }
  return Value::of(joined, a.is(Type::tuple));
}

Value repeat(Runtime& runtime, const Value& value, int64_t times) {
  const std::size_t count = times > 0 ? static_cast<std::size_t>(times) : 0;
  const std::size_t size = value.is_string() ? value.text().size() : value.list->items.size();
  std::size_t total = 0;
  if (__builtin_mul_overflow(count, size, &total)) {
    total = std::numeric_limits<std::size_t>::max();
  }
  if (value.is_string()) {
    runtime.charge_text(total);
    std::string repeated;
    repeated.reserve(total);
    for (std::size_t i = 0; i < count && size != 0; ++i) {
      repeated.append(value.text());
    }
    return runtime.view(runtime.arena.copy(repeated), value.str->safe);
  }
  runtime.charge_text(total > std::numeric_limits<std::size_t>::max() / 16 ? total : total * 16);
  List* list = runtime.list();
  list->items.reserve(total);
  for (std::size_t i = 0; i < count && size != 0; ++i) {
    list->items.insert(list->items.end(), value.list->items.begin(), value.list->items.end());
  }
  return Value::of(list, value.is(Type::tuple));
}

}  // namespace

Value binary(Runtime& runtime, BinaryOp op, const Value& a, const Value& b) {
  if (a.is_int() && b.is_int()) {
    return whole(runtime, op, a.as_int(), b.as_int());
  }
  if (a.is_number() && b.is_number()) {
    return real(runtime, op, a.as_real(), b.as_real());
  }
  if (op == BinaryOp::add && a.is_string() && b.is_string()) {
    return add_texts(runtime, a, b);
  }
  if (op == BinaryOp::add && a.is_sequence() && a.type == b.type) {
    return add_lists(runtime, a, b);
  }
  const auto repeats = [](const Value& value) { return value.is_string() || value.is_sequence(); };
  if (op == BinaryOp::multiply && repeats(a) && b.is_int()) {
    return repeat(runtime, a, b.as_int());
  }
  if (op == BinaryOp::multiply && repeats(b) && a.is_int()) {
    return repeat(runtime, b, a.as_int());
  }
  if (op == BinaryOp::modulo && a.is_string()) {
    return format_percent(runtime, a, b);
  }
  fail_types(runtime, op, a, b);
}

Value negate(Runtime& runtime, const Value& value) {
  if (value.is(Type::undefined)) {
    runtime.fail_undefined(*value.undefined);
  }
  if (!value.is_number()) {
    runtime.fail("'-' needs a number, not {}", type_name(value));
  }
  return value.is(Type::real) ? Value::of(-value.real) : whole(runtime, BinaryOp::subtract, 0, value.as_int());
}

Value plus(Runtime& runtime, const Value& value) {
  if (value.is(Type::undefined)) {
    runtime.fail_undefined(*value.undefined);
  }
  if (!value.is_number()) {
    runtime.fail("'+' needs a number, not {}", type_name(value));
  }
  return value.is(Type::real) ? value : Value::of(value.as_int());
}

}  // namespace dstorch::text::jinja
