// Filters on lists and mappings as wholes.
#include <algorithm>

#include "text/jinja/filters.h"
#include "text/jinja/objects.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"
#include "text/jinja/runtime.h"
#include "text/utf8.h"

namespace dstorch::text::jinja {
namespace {

using Type = Value::Type;

Value length_of(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "length", args, {});
  return Value::of(length(runtime, value));
}

Value list_of(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "list", args, {});
  return Value::of(to_list(runtime, value));
}

Value first(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "first", args, {});
  Value item;
  return iterate(runtime, value)->next(item) ? item : runtime.undefined_because("No first item, sequence was empty.");
}

// Python's reversed(x): needs a length and items by number, or a mapping's order.
List* reversed(Runtime& runtime, const Value& value) {
  const bool can = value.is_string() || value.is_sequence() || value.is(Type::dict) || value.is(Type::undefined) ||
                   (value.is(Type::object) && value.object->length(runtime) >= 0);
  if (!can) {
    runtime.fail("'{}' cannot be gone through backwards", type_name(value));
  }
  List* list = to_list(runtime, value);
  std::reverse(list->items.begin(), list->items.end());
  return list;
}

Value last(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "last", args, {});
  if (value.is_sequence() && !value.list->items.empty()) {
    return value.list->items.back();
  }
  const List* backwards = reversed(runtime, value);
  return backwards->items.empty() ? runtime.undefined_because("No last item, sequence was empty.")
                                  : backwards->items.front();
}

Value reverse(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "reverse", args, {});
  if (value.is_string()) {
    std::string out;
    for (std::size_t at = value.text().size(); at > 0;) {
      const std::size_t begin = previous_utf8(value.text(), at);
      out.append(value.text().substr(begin, at - begin));
      at = begin;
    }
    return runtime.text(out, value.str->safe);
  }
  List* list = to_list(runtime, value);
  std::reverse(list->items.begin(), list->items.end());
  return Value::of(runtime.arena.make<Generator>(iterate(runtime, Value::of(list))));
}

Value join(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "join", args, {"d", "attribute"});
  const std::string_view separator = bound.has(0) ? to_text(runtime, bound[0]) : std::string_view();
  const AttributeGetter get(runtime, bound.has(1) ? &bound[1] : nullptr);
  std::string out;
  bool begun = false;
  Iterator* values = iterate(runtime, value);
  for (Value item; values->next(item); begun = true) {
    out += begun ? separator : std::string_view();
    const std::size_t before = out.size();
    append_text(runtime, get(item), out);
    runtime.charge(1 + (out.size() - before) / 8);
    runtime.check_text(out.size());
  }
  return runtime.text(out);
}

class PairIterator : public Iterator {
 public:
  explicit PairIterator(Runtime& runtime, const Value& value) : runtime_(runtime), value_(value) {}
  bool next(Value& pair) override {
    if (inner_ == nullptr) {
      // Only now, as a generator fails when it is first asked.
      if (!value_.is(Type::dict)) {
        if (value_.is(Type::undefined)) {
          return false;
        }
        runtime_.fail("items needs a mapping, not {}", type_name(value_));
      }
      inner_ = runtime_.arena.make<DictView>(*value_.dict, DictView::Kind::items)->iterate(runtime_);
    }
    return inner_->next(pair);
  }

 private:
  Runtime& runtime_;
  Value value_;
  Iterator* inner_ = nullptr;
};

Value items(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "items", args, {});
  return Value::of(runtime.arena.make<Generator>(runtime.arena.make<PairIterator>(runtime, value)));
}

// Sorts by `key`, steadily.
template <typename Key>
void sort_by(Runtime& runtime, std::pmr::vector<Value>& items, bool reverse, const Key& key) {
  std::pmr::vector<std::pair<Value, Value>> keyed(runtime.arena.memory());
  keyed.reserve(items.size());
  for (const Value& item : items) {
    keyed.emplace_back(key(item), item);
  }
  const auto before = [&](const auto& a, const auto& b) {
    runtime.charge(1);
    return reverse ? less(runtime, b.first, a.first) : less(runtime, a.first, b.first);
  };
  std::stable_sort(keyed.begin(), keyed.end(), before);
  for (std::size_t i = 0; i < items.size(); ++i) {
    items[i] = keyed[i].second;
  }
}

// What is compared.
Value fold(Runtime& runtime, const Value& value, bool case_sensitive) {
  return case_sensitive ? value : ignore_case(runtime, value);
}

Value sort(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "sort", args, {"reverse", "case_sensitive", "attribute"});
  List* list = to_list(runtime, value);
  // "a,b" sorts by two attributes.
  List* attributes = runtime.list();
  if (bound.has_some(2) && bound[2].is_string()) {
    std::string_view rest = bound[2].text();
    for (std::size_t comma = rest.find(','); comma != std::string_view::npos; comma = rest.find(',')) {
      attributes->items.push_back(runtime.text(rest.substr(0, comma)));
      rest.remove_prefix(comma + 1);
    }
    attributes->items.push_back(runtime.text(rest));
  } else {
    attributes->items.push_back(bound.get(2, Value::none()));
  }
  sort_by(runtime, list->items, bound.flag(0), [&](const Value& item) {
    List* key = runtime.list();
    for (const Value& attribute : attributes->items) {
      key->items.push_back(fold(runtime, AttributeGetter(runtime, &attribute)(item), bound.flag(1)));
    }
    return Value::of(key);
  });
  return Value::of(list);
}

Value dictsort(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "dictsort", args, {"case_sensitive", "by", "reverse"});
  const std::string_view by = bound.text(1, "key");
  if (by != "key" && by != "value") {
    runtime.fail("dictsort sorts by \"key\" or \"value\", not \"{}\"", by);
  }
  if (!value.is(Type::dict)) {
    runtime.fail("dictsort needs a mapping, not {}", type_name(value));
  }
  List* list = to_list(runtime, Value::of(runtime.arena.make<DictView>(*value.dict, DictView::Kind::items)));
  sort_by(runtime, list->items, bound.flag(2),
          [&](const Value& pair) { return fold(runtime, pair.list->items[by == "key" ? 0 : 1], bound.flag(0)); });
  return Value::of(list);
}

template <bool largest>
Value extreme(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, largest ? "max" : "min", args, {"case_sensitive", "attribute"});
  const AttributeGetter get(runtime, bound.has(1) ? &bound[1] : nullptr);
  Iterator* values = iterate(runtime, value);
  Value best;
  if (!values->next(best)) {
    return runtime.undefined_because("No aggregated item, sequence was empty.");
  }
  Value best_key = fold(runtime, get(best), bound.flag(0));
  for (Value item; values->next(item);) {
    const Value key = fold(runtime, get(item), bound.flag(0));
    if (largest ? less(runtime, best_key, key) : less(runtime, key, best_key)) {
      best = item;
      best_key = key;
    }
  }
  return best;
}

Value groupby(Runtime& runtime, const Value& value, const Args& args) {
  static constexpr std::string_view kNames[] = {"grouper", "list"};
  const Bound bound(runtime, "groupby", args, {"attribute", "default", "case_sensitive"}, 1);
  const AttributeGetter get(runtime, &bound[0], bound.has(1) ? &bound[1] : nullptr);
  const auto key = [&](const Value& item) { return fold(runtime, get(item), bound.flag(2)); };
  List* sorted = to_list(runtime, value);
  sort_by(runtime, sorted->items, false, key);
  List* groups = runtime.list();
  Value current;
  List* members = nullptr;
  for (const Value& item : sorted->items) {
    const Value item_key = key(item);
    if (members == nullptr || !equal(runtime, item_key, current)) {
      members = runtime.list();
      current = item_key;
      List* group = runtime.list();
      group->names = kNames;
      group->items = {get(item), Value::of(members)};
      groups->items.push_back(Value::of(group, true));
    }
    members->items.push_back(item);
  }
  return Value::of(groups);
}

}  // namespace

const NamedFilter kSequenceFilters[] = {
    {"length", length_of},   {"count", length_of},   {"list", list_of},    {"first", first}, {"last", last},
    {"reverse", reverse},    {"join", join},         {"items", items},     {"sort", sort},   {"dictsort", dictsort},
    {"min", extreme<false>}, {"max", extreme<true>}, {"groupby", groupby}, {{}, nullptr},
};

}  // namespace dstorch::text::jinja
