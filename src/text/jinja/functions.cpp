#include "text/jinja/functions.h"

#include <fmt/format.h>

#include <array>
#include <clocale>
#include <ctime>
#include <limits>

#include "text/jinja/objects.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"
#include "text/jinja/runtime.h"
#include "text/utf8.h"

namespace dstorch::text::jinja {
namespace {

using Type = Value::Type;

Value range(Runtime& runtime, const Value& /*self*/, const Args& args) {
  constexpr int64_t kMostItems = 100000;
  const Bound bound(runtime, "range", args, {"start", "stop", "step"}, 1);
  const int64_t first = bound.has(1) ? bound.index(0, 0) : 0;
  const int64_t stop = bound.has(1) ? bound.index(1, 0) : bound.index(0, 0);
  const int64_t step = bound.index(2, 1);
  if (step == 0) {
    runtime.fail("range() needs a step that is not zero");
  }
  int64_t distance = 0;
  const bool far =
      step > 0 ? __builtin_sub_overflow(stop, first, &distance) : __builtin_sub_overflow(first, stop, &distance);
  const uint64_t width = step > 0 ? static_cast<uint64_t>(step) : 0 - static_cast<uint64_t>(step);
  const bool empty = step > 0 ? stop <= first : first <= stop;
  const uint64_t count = empty ? 0 : 1 + (static_cast<uint64_t>(distance) - 1) / width;
  if (!empty && (far || count > kMostItems)) {
    runtime.fail("range() has more than {} items", kMostItems);
  }
  return Value::of(runtime.arena.make<Range>(first, stop, step, static_cast<int64_t>(count)));
}

// From at most one mapping or list of pairs, and named values.
Dict* make_dict(Runtime& runtime, std::string_view function, const Args& args) {
  Dict* dict = runtime.dict();
  if (args.count > 1) {
    runtime.fail("{}() takes at most one value without a name", function);
  }
  if (args.count == 1 && args.positional[0].is(Type::dict)) {
    for (const auto& [key, value] : args.positional[0].dict->entries()) {
      dict->set(runtime, key, value);
    }
  } else if (args.count == 1) {
    Iterator* pairs = iterate(runtime, args.positional[0]);
    for (Value pair; pairs->next(pair);) {
      const List* two = to_list(runtime, pair);
      if (two->items.size() != 2) {
        runtime.fail("{}() needs pairs", function);
      }
      dict->set(runtime, two->items[0], two->items[1]);
    }
  }
  for (std::size_t i = 0; i < args.named_count; ++i) {
    dict->set(runtime, runtime.text(args.named[i].first), args.named[i].second);
  }
  return dict;
}

Value dict(Runtime& runtime, const Value& /*self*/, const Args& args) {
  return Value::of(make_dict(runtime, "dict", args));
}

Value make_namespace(Runtime& runtime, const Value& /*self*/, const Args& args) {
  return Value::of(runtime.arena.make<Namespace>(make_dict(runtime, "namespace", args)));
}

/// Goes round its values: `cycler("a", "b").next()`.
class Cycler : public Object {
 public:
  explicit Cycler(List* values) : values_(values) {}
  [[nodiscard]] std::string_view type_name() const override { return "Cycler"; }

  std::optional<Value> attribute(Runtime& runtime, std::string_view name) override {
    if (name == "current") {
      return values_->items[at_];
    }
    const Function::Body body = name == "next" ? next : name == "reset" ? reset : nullptr;
    return body == nullptr
               ? std::nullopt
               : std::optional<Value>(Value::of(runtime.arena.make<Function>("next", body, Value::of(this))));
  }

 private:
  static Value next(Runtime& runtime, const Value& self, const Args& args) {
    const Bound bound(runtime, "next", args, {});
    auto& cycler = static_cast<Cycler&>(*self.object);
    const Value value = cycler.values_->items[cycler.at_];
    cycler.at_ = (cycler.at_ + 1) % cycler.values_->items.size();
    return value;
  }
  static Value reset(Runtime& runtime, const Value& self, const Args& args) {
    const Bound bound(runtime, "reset", args, {});
    static_cast<Cycler&>(*self.object).at_ = 0;
    return Value::none();
  }

  List* values_;
  std::size_t at_ = 0;
};

Value cycler(Runtime& runtime, const Value& /*self*/, const Args& args) {
  if (args.count == 0 || args.named_count != 0) {
    runtime.fail("cycler() needs at least one value, without a name");
  }
  List* values = runtime.list();
  values->items.assign(args.positional, args.positional + args.count);
  return Value::of(runtime.arena.make<Cycler>(values));
}

/// Nothing at its first call, its separator at every later one.
class Joiner : public Object {
 public:
  explicit Joiner(const Value& separator) : separator_(separator) {}
  [[nodiscard]] std::string_view type_name() const override { return "Joiner"; }
  [[nodiscard]] bool callable() const override { return true; }
  Value call(Runtime& runtime, const Args& args) override {
    const Bound bound(runtime, "joiner", args, {});
    const bool first = !used_;
    used_ = true;
    return first ? runtime.view("") : separator_;
  }

 private:
  Value separator_;
  bool used_ = false;
};

Value joiner(Runtime& runtime, const Value& /*self*/, const Args& args) {
  const Bound bound(runtime, "joiner", args, {"sep"});
  return Value::of(runtime.arena.make<Joiner>(bound.get(0, runtime.view(", "))));
}

Value raise_exception(Runtime& runtime, const Value& /*self*/, const Args& args) {
  const Bound bound(runtime, "raise_exception", args, {"message"}, 1);
  runtime.fail("the template refuses this conversation: {}", to_text(runtime, bound[0]));
}

Value strftime_now(Runtime& runtime, const Value& /*self*/, const Args& args) {
  const Bound bound(runtime, "strftime_now", args, {"format"}, 1);
  const std::string_view wanted = bound.text(0);
  if (wanted.size() > 1000 || wanted.find('\0') != std::string_view::npos) {
    runtime.fail("strftime_now() needs a short format");
  }
  const std::time_t seconds = std::chrono::system_clock::to_time_t(runtime.now);
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(runtime.now.time_since_epoch()).count();
  std::tm local{};
  localtime_r(&seconds, &local);
  // The microseconds and the names of zones are Python's own; local time that knows no zone has neither name nor
  // offset.
  std::string format;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] != '%' || i + 1 == wanted.size()) {
      format += wanted[i];
      continue;
    }
    const char kind = wanted[++i];
    format += kind == 'f'                  ? fmt::format("{:06}", ((micros % 1000000) + 1000000) % 1000000)
              : kind == 'z' || kind == 'Z' ? std::string()
                                           : std::string("%") + kind;
  }
  // Whatever language the program speaks, the template's words stay English.
  static const locale_t english = newlocale(LC_ALL_MASK, "C", nullptr);
  std::array<char, 16384> buffer{};
  const std::size_t size = strftime_l(buffer.data(), buffer.size(), format.c_str(), &local, english);
  return runtime.text(replace_invalid_utf8({buffer.data(), size}));
}

struct Global {
  std::string_view name;
  Function::Body body;
};

constexpr Global kGlobals[] = {
    {"range", range},
    {"dict", dict},
    {"namespace", make_namespace},
    {"cycler", cycler},
    {"joiner", joiner},
    {"raise_exception", raise_exception},
    {"strftime_now", strftime_now},
};

}  // namespace

std::optional<Value> find_global(Runtime& runtime, std::string_view name) {
  for (const Global& global : kGlobals) {
    if (global.name == name) {
      return Value::of(runtime.arena.make<Function>(global.name, global.body, Value::none()));
    }
  }
  return std::nullopt;
}

}  // namespace dstorch::text::jinja
