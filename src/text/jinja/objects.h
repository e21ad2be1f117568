#pragma once

#include <initializer_list>
#include <string_view>

#include "text/jinja/value.h"

namespace dstorch::text::jinja {

class Runtime;

/// What `namespace()` makes: the one thing whose attributes a template may set.
class Namespace : public Object {
 public:
  explicit Namespace(Dict* attributes) : attributes_(attributes) {}
  [[nodiscard]] std::string_view type_name() const override { return "Namespace"; }
  std::string_view print(Runtime& runtime) override;
  std::optional<Value> attribute(Runtime& runtime, std::string_view name) override;
  void set(Runtime& runtime, std::string_view name, const Value& value);

 private:
  Dict* attributes_;
};

/// A function of dstorch's: a global, or a method together with the value it was taken from.
class Function : public Object {
 public:
  using Body = Value (*)(Runtime& runtime, const Value& self, const Args& args);
  Function(std::string_view name, Body body, const Value& self) : name_(name), body_(body), self_(self) {}
  [[nodiscard]] std::string_view type_name() const override { return "builtin_function_or_method"; }
  std::string_view print(Runtime& runtime) override;
  [[nodiscard]] bool callable() const override { return true; }
  Value call(Runtime& runtime, const Args& args) override { return body_(runtime, self_, args); }

 private:
  std::string_view name_;
  Body body_;
  Value self_;
};

/// What yields its values once, and has no length: what `map`, `select` and their like make.
class Generator : public Object {
 public:
  explicit Generator(Iterator* values) : values_(values) {}
  [[nodiscard]] std::string_view type_name() const override { return "generator"; }
  Iterator* iterate(Runtime& /*runtime*/) override { return values_; }

 private:
  Iterator* values_;
};

/// What `range()` makes.
class Range : public Object {
 public:
  /// `count`: how many numbers there are before `stop`.
  Range(int64_t start, int64_t stop, int64_t step, int64_t count)
      : start_(start), stop_(stop), step_(step), count_(count) {}
  [[nodiscard]] std::string_view type_name() const override { return "range"; }
  std::string_view print(Runtime& runtime) override;
  Iterator* iterate(Runtime& runtime) override;
  int64_t length(Runtime& /*runtime*/) override { return count_; }
  [[nodiscard]] bool indexable() const override { return true; }
  std::optional<Value> item(Runtime& runtime, const Value& index) override;
  [[nodiscard]] Value at(int64_t index) const { return Value::of(moved(start_, index, step_)); }
  /// Every `step`th number from the one with the number `first` on.
  Value slice(Runtime& runtime, int64_t first, int64_t count, int64_t step) const;

 private:
  // start + count * step, which wraps where no number is meant.
  static int64_t moved(int64_t start, int64_t count, int64_t step) {
    return static_cast<int64_t>(static_cast<uint64_t>(start) +
                                static_cast<uint64_t>(count) * static_cast<uint64_t>(step));
  }

  int64_t start_;
  int64_t stop_;
  int64_t step_;
  int64_t count_;
};

/// What a dict's keys(), values() and items() are.
class DictView : public Object {
 public:
  enum class Kind { keys, values, items };
  DictView(const Dict& dict, Kind kind) : dict_(dict), kind_(kind) {}
  [[nodiscard]] std::string_view type_name() const override;
  std::string_view print(Runtime& runtime) override;
  Iterator* iterate(Runtime& runtime) override;
  int64_t length(Runtime& /*runtime*/) override { return static_cast<int64_t>(dict_.entries().size()); }

 private:
  const Dict& dict_;
  Kind kind_;
};

/// A call's arguments, found by place or by name.
class Bound {
 public:
  /// `names`: at most kMost. The first `required` must be given. Throws for what is too many, unknown or given twice.
  Bound(Runtime& runtime, std::string_view function, const Args& args, std::initializer_list<std::string_view> names,
        std::size_t required = 0);

  [[nodiscard]] bool has(std::size_t i) const { return values_[i] != nullptr; }
  [[nodiscard]] const Value& operator[](std::size_t i) const { return *values_[i]; }
  /// None counts as not given.
  [[nodiscard]] bool has_some(std::size_t i) const { return has(i) && !values_[i]->is(Value::Type::none); }
  [[nodiscard]] Value get(std::size_t i, const Value& fallback) const { return has(i) ? *values_[i] : fallback; }
  [[nodiscard]] int64_t index(std::size_t i, int64_t fallback) const;
  /// Text that the function is given; throws for what is no text.
  [[nodiscard]] std::string_view text(std::size_t i, std::string_view fallback = {}) const;
  [[nodiscard]] bool flag(std::size_t i, bool fallback = false) const;

 private:
  static constexpr std::size_t kMost = 6;
  Runtime& runtime_;
  std::string_view function_;
  const Value* values_[kMost] = {};
};

}  // namespace dstorch::text::jinja
