// The methods of Python's list, tuple and dict that change nothing.
#include "text/jinja/attributes.h"
#include "text/jinja/operators.h"
#include "text/jinja/runtime.h"

namespace dstorch::text::jinja {
namespace {

using Type = Value::Type;

Value list_count(Runtime& runtime, const Value& self, const Args& args) {
  const Bound bound(runtime, "count", args, {"value"}, 1);
  int64_t found = 0;
  for (const Value& item : self.list->items) {
    runtime.charge(1);
    found += equal(runtime, item, bound[0]) ? 1 : 0;
  }
  return Value::of(found);
}

Value list_index(Runtime& runtime, const Value& self, const Args& args) {
  const Bound bound(runtime, "index", args, {"value"}, 1);
  for (std::size_t i = 0; i < self.list->items.size(); ++i) {
    runtime.charge(1);
    if (equal(runtime, self.list->items[i], bound[0])) {
      return Value::of(static_cast<int64_t>(i));
    }
  }
  runtime.fail("index() did not find the value in the list");
}

Value list_copy(Runtime& runtime, const Value& self, const Args& args) {
  const Bound bound(runtime, "copy", args, {});
  return Value::of(to_list(runtime, self));
}

Value dict_get(Runtime& runtime, const Value& self, const Args& args) {
  const Bound bound(runtime, "get", args, {"key", "default"}, 1);
  if (args.named_count != 0) {
    runtime.fail("get() takes no named arguments");
  }
  const Value* found = self.dict->find(runtime, bound[0]);
  return found == nullptr ? bound.get(1, Value::none()) : *found;
}

template <DictView::Kind kind>
Value dict_view(Runtime& runtime, const Value& self, const Args& args) {
  const Bound bound(runtime, "items", args, {});
  return Value::of(runtime.arena.make<DictView>(*self.dict, kind));
}

Value dict_copy(Runtime& runtime, const Value& self, const Args& args) {
  const Bound bound(runtime, "copy", args, {});
  Dict* dict = runtime.dict();
  for (const auto& [key, value] : self.dict->entries()) {
    dict->set(runtime, key, value);
  }
  return Value::of(dict);
}

}  // namespace

Function::Body find_list_method(std::string_view name) {
  return name == "count" ? list_count : name == "index" ? list_index : name == "copy" ? list_copy : nullptr;
}

Function::Body find_dict_method(std::string_view name) {
  return name == "get"      ? dict_get
         : name == "items"  ? dict_view<DictView::Kind::items>
         : name == "keys"   ? dict_view<DictView::Kind::keys>
         : name == "values" ? dict_view<DictView::Kind::values>
         : name == "copy"   ? dict_copy
                            : nullptr;
}

}  // namespace dstorch::text::jinja
