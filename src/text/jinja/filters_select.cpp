// Filters that yield items one by one: what they are asked for is looked at only then, as in Python's generators.
#include "text/jinja/attributes.h"
#include "text/jinja/filters.h"
#include "text/jinja/objects.h"
#include "text/jinja/operators.h"
#include "text/jinja/runtime.h"

namespace dstorch::text::jinja {
namespace {

using Type = Value::Type;

/// Arguments that outlive the call.
class KeptArgs {
 public:
  KeptArgs(Runtime& runtime, const Args& args)
      : positional_(args.positional, args.positional + args.count, runtime.arena.memory()),
        named_(args.named, args.named + args.named_count, runtime.arena.memory()) {}

  [[nodiscard]] std::size_t count() const { return positional_.size(); }
  [[nodiscard]] const Value& operator[](std::size_t i) const { return positional_[i]; }
  [[nodiscard]] const Value* named(std::string_view name) const {
    for (const auto& [known, value] : named_) {
      if (known == name) {
        return &value;
      }
    }
    return nullptr;
  }
  [[nodiscard]] const std::pmr::vector<std::pair<std::string_view, Value>>& all_named() const { return named_; }
  /// Without the first `skipped` that have no name.
  [[nodiscard]] Args after(std::size_t skipped) const {
    return {positional_.data() + skipped, positional_.size() - skipped, named_.data(), named_.size()};
  }

 private:
  std::pmr::vector<Value> positional_;
  std::pmr::vector<std::pair<std::string_view, Value>> named_;
};

/// Begins with its first item; nothing is made of what is empty.
class LazyIterator : public Iterator {
 public:
  LazyIterator(Runtime& runtime, const Value& value, const Args& args)
      : runtime_(runtime), args_(runtime, args), value_(value) {}

  bool next(Value& item) final {
    // A chain of these asks each other.
    const Runtime::Level level(runtime_);
    if (!begun_) {
      begun_ = true;
      if (truth(runtime_, value_)) {
        begin();
        inner_ = iterate(runtime_, value_);
      }
    }
    return inner_ != nullptr && next_of(*inner_, item);
  }

 protected:
  virtual void begin() = 0;
  virtual bool next_of(Iterator& inner, Value& item) = 0;

  Runtime& runtime_;
  KeptArgs args_;

 private:
  Value value_;
  Iterator* inner_ = nullptr;
  bool begun_ = false;
};

/// map("filter", ...) or map(attribute="name", default=...).
class MapIterator : public LazyIterator {
 public:
  using LazyIterator::LazyIterator;

 private:
  void begin() override {
    if (args_.count() == 0 && args_.named("attribute") != nullptr) {
      for (const auto& [name, value] : args_.all_named()) {
        if (name != "attribute" && name != "default") {
          runtime_.fail("map has no argument '{}'", name);
        }
      }
      getter_ = runtime_.arena.make<AttributeGetter>(runtime_, args_.named("attribute"), args_.named("default"));
      return;
    }
    if (args_.count() == 0) {
      runtime_.fail("map needs a filter or an attribute");
    }
    const std::string_view name = args_[0].is_string() ? args_[0].text() : std::string_view();
    filter_ = find_filter(name);
    if (filter_ == nullptr) {
      runtime_.fail("there is no filter '{}'", name);
    }
  }

  bool next_of(Iterator& inner, Value& item) override {
    if (!inner.next(item)) {
      return false;
    }
    item = filter_ != nullptr ? filter_(runtime_, item, args_.after(1)) : (*getter_)(item);
    return true;
  }

  Filter filter_ = nullptr;
  AttributeGetter* getter_ = nullptr;
};

/// select, reject, selectattr, rejectattr.
class SelectIterator : public LazyIterator {
 public:
  SelectIterator(Runtime& runtime, const Value& value, const Args& args, bool keep, bool by_attribute)
      : LazyIterator(runtime, value, args), keep_(keep), by_attribute_(by_attribute) {}

 private:
  void begin() override {
    if (by_attribute_ && args_.count() == 0) {
      runtime_.fail("selectattr needs an attribute");
    }
    getter_ = runtime_.arena.make<AttributeGetter>(runtime_, by_attribute_ ? &args_[0] : nullptr);
    if (args_.count() > own_args()) {
      const Value& given = args_[own_args()];
      const std::string_view name = given.is_string() ? given.text() : std::string_view();
      test_ = find_test(name);
      if (test_ == nullptr) {
        runtime_.fail("there is no test '{}'", name);
      }
    }
  }

  bool next_of(Iterator& inner, Value& item) override {
    while (inner.next(item)) {
      const Value looked_at = (*getter_)(item);
      const bool holds =
          test_ == nullptr ? truth(runtime_, looked_at) : test_(runtime_, looked_at, args_.after(own_args() + 1));
      if (holds == keep_) {
        return true;
      }
    }
    return false;
  }

  [[nodiscard]] std::size_t own_args() const { return by_attribute_ ? 1 : 0; }

  bool keep_;
  bool by_attribute_;
  AttributeGetter* getter_ = nullptr;
  Test test_ = nullptr;
};

Value generator(Runtime& runtime, Iterator* values) { return Value::of(runtime.arena.make<Generator>(values)); }

Value map(Runtime& runtime, const Value& value, const Args& args) {
  return generator(runtime, runtime.arena.make<MapIterator>(runtime, value, args));
}

template <bool keep, bool by_attribute>
Value select(Runtime& runtime, const Value& value, const Args& args) {
  return generator(runtime, runtime.arena.make<SelectIterator>(runtime, value, args, keep, by_attribute));
}

Value unique(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "unique", args, {"case_sensitive", "attribute"});
  const AttributeGetter get(runtime, bound.has(1) ? &bound[1] : nullptr);
  Dict* seen = runtime.dict();
  List* list = runtime.list();
  Iterator* values = iterate(runtime, value);
  for (Value item; values->next(item);) {
    const Value key = bound.flag(0) ? get(item) : ignore_case(runtime, get(item));
    if (seen->find(runtime, key) == nullptr) {
      seen->set(runtime, key, Value::none());
      list->items.push_back(item);
    }
  }
  return generator(runtime, iterate(runtime, Value::of(list)));
}

Value batch(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "batch", args, {"linecount", "fill_with"}, 1);
  const int64_t size = bound.index(0, 1);
  List* rows = runtime.list();
  List* row = runtime.list();
  Iterator* values = iterate(runtime, value);
  for (Value item; values->next(item);) {
    if (static_cast<int64_t>(row->items.size()) == size) {
      rows->items.push_back(Value::of(row));
      row = runtime.list();
    }
    row->items.push_back(item);
  }
  if (!row->items.empty()) {
    if (bound.has_some(1) && static_cast<int64_t>(row->items.size()) < size) {
      runtime.charge(static_cast<std::size_t>(size));
      row->items.resize(static_cast<std::size_t>(size), bound[1]);
    }
    rows->items.push_back(Value::of(row));
  }
  return generator(runtime, iterate(runtime, Value::of(rows)));
}

Value slice(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "slice", args, {"slices", "fill_with"}, 1);
  const int64_t slices = bound.index(0, 1);
  const List* all = to_list(runtime, value);
  if (slices <= 0) {
    runtime.fail("slice needs at least one slice");
  }
  runtime.charge(static_cast<std::size_t>(slices));
  const auto size = static_cast<int64_t>(all->items.size());
  List* made = runtime.list();
  int64_t begin = 0;
  for (int64_t i = 0; i < slices; ++i) {
    List* part = runtime.list();
    const int64_t end = begin + size / slices + (i < size % slices ? 1 : 0);
    part->items.assign(all->items.begin() + begin, all->items.begin() + end);
    if (bound.has_some(1) && i >= size % slices) {
      part->items.push_back(bound[1]);
    }
    made->items.push_back(Value::of(part));
    begin = end;
  }
  return generator(runtime, iterate(runtime, Value::of(made)));
}

Value attr(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "attr", args, {"name"}, 1);
  // Unlike `value.name`, this finds no items.
  if (value.is(Type::dict) && find_dict_method(bound.text(0)) == nullptr) {
    return runtime.undefined(bound.text(0), "dict object");
  }
  return get_attribute(runtime, value, bound.text(0));
}

}  // namespace

const NamedFilter kSelectFilters[] = {
    {"map", map},
    {"select", select<true, false>},
    {"reject", select<false, false>},
    {"selectattr", select<true, true>},
    {"rejectattr", select<false, true>},
    {"unique", unique},
    {"batch", batch},
    {"slice", slice},
    {"attr", attr},
    {{}, nullptr},
};

}  // namespace dstorch::text::jinja
