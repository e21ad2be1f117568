#pragma once

#include <fmt/core.h>

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "core/throw.h"
#include "text/jinja/arena.h"
#include "text/jinja/value.h"

namespace dstorch::text::jinja {

/// How far one rendering may go. A real template over a long conversation takes a thousandth of it.
struct Limits {
  /// Expressions evaluated, values and every 8 bytes of text made.
  int64_t steps = 50'000'000;
  /// Bytes of the rendering, and of any one text on the way there.
  std::size_t text = 64U << 20U;
  /// Statements, expressions and values inside each other.
  int depth = 1000;
};

/// What all parts of one rendering share: its memory, its limits, where it is, how it fails.
class Runtime {
 public:
  Runtime(std::string_view name, const Limits& limits) : name_(name), limits_(limits) {}
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  Arena arena;
  /// The line of the template that is being evaluated.
  int line = 1;
  /// Local time for `strftime_now`.
  std::chrono::system_clock::time_point now;

  void charge(std::size_t steps) {
    if (steps > static_cast<std::size_t>(limits_.steps - steps_)) {
      stop("takes too many steps: it may not end");
    }
    steps_ += static_cast<int64_t>(steps);
  }
  /// Refuses a text that is too long.
  void check_text(std::size_t bytes) {
    if (bytes > limits_.text) {
      stop("makes too much text");
    }
  }
  /// Charges for `bytes` of text that is about to be made, and refuses one that is too long.
  void charge_text(std::size_t bytes) {
    check_text(bytes);
    charge(1 + bytes / 8);
  }

  /// Throws LMError{invalid_argument} that names the template and the line.
  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
    fail_with(fmt::format(format, std::forward<Args>(args)...));
  }
  [[noreturn]] void fail_with(const std::string& message);
  /// For what dstorch does not do: LMError{unsupported}.
  [[noreturn]] void unsupported(std::string_view what);
  /// A value that is not there was used.
  [[noreturn]] void fail_undefined(const Undefined& undefined);

  Value text(std::string_view text, bool safe = false) {
    charge_text(text.size());
    return view(arena.copy(text), safe);
  }
  /// Without a copy: `text` lives as long as the rendering.
  Value view(std::string_view text, bool safe = false) { return Value::of(arena.make<Str>(Str{text, safe})); }
  Value undefined(std::string_view name, std::string_view owner = {}) {
    return Value::of(arena.make<Undefined>(Undefined{{}, arena.copy(name), owner}));
  }
  Value undefined_because(std::string_view hint) {
    return Value::of(arena.make<Undefined>(Undefined{arena.copy(hint), {}, {}}));
  }
  List* list() {
    charge(1);
    return arena.make<List>(arena.memory());
  }
  Dict* dict() {
    charge(1);
    return arena.make<Dict>(arena.memory());
  }
  Value tuple(std::initializer_list<Value> items) {
    List* made = list();
    made->items.assign(items);
    return Value::of(made, true);
  }

  /// Counts what is inside what, for as long as it lives.
  class Level {
   public:
    explicit Level(Runtime& runtime) : runtime_(runtime) {
      if (++runtime_.depth_ > runtime_.limits_.depth) {
        --runtime_.depth_;
        runtime_.stop("nests too deep: a macro may call itself without end");
      }
    }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    ~Level() { --runtime_.depth_; }

   private:
    Runtime& runtime_;
  };

 private:
  // LMError{format}: over a limit.
  [[noreturn]] void stop(std::string_view why);

  std::string name_;
  Limits limits_;
  int64_t steps_ = 0;
  int depth_ = 0;
};

}  // namespace dstorch::text::jinja
