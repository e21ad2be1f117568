// Lengths, and going through what can be gone through.
#include "text/jinja/objects.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"
#include "text/jinja/runtime.h"
#include "text/utf8.h"

namespace dstorch::text::jinja {
namespace {

using Type = Value::Type;

class ListIterator : public Iterator {
 public:
  explicit ListIterator(const List& list) : list_(list) {}
  bool next(Value& value) override {
    if (at_ >= list_.items.size()) {
      return false;
    }
    value = list_.items[at_++];
    return true;
  }

 private:
  const List& list_;
  std::size_t at_ = 0;
};

class KeyIterator : public Iterator {
 public:
  explicit KeyIterator(const Dict& dict) : dict_(dict) {}
  bool next(Value& value) override {
    if (at_ >= dict_.entries().size()) {
      return false;
    }
    value = dict_.entries()[at_++].first;
    return true;
  }

 private:
  const Dict& dict_;
  std::size_t at_ = 0;
};

class CharacterIterator : public Iterator {
 public:
  CharacterIterator(Runtime& runtime, const Str& text) : runtime_(runtime), text_(text) {}
  bool next(Value& value) override {
    if (at_ >= text_.text.size()) {
      return false;
    }
    const std::size_t size = utf8_length(text_.text[at_]);
    value = runtime_.view(text_.text.substr(at_, size), text_.safe);
    at_ += size;
    return true;
  }

 private:
  Runtime& runtime_;
  const Str& text_;
  std::size_t at_ = 0;
};

class NoIterator : public Iterator {
 public:
  bool next(Value& /*value*/) override { return false; }
};

// Every value that any iterator yields is paid for.
class PaidIterator : public Iterator {
 public:
  PaidIterator(Runtime& runtime, Iterator* inner) : runtime_(runtime), inner_(inner) {}
  bool next(Value& value) override {
    runtime_.charge(1);
    return inner_->next(value);
  }

 private:
  Runtime& runtime_;
  Iterator* inner_;
};

Iterator* plain_iterator(Runtime& runtime, const Value& value) {
  switch (value.type) {
    case Type::list:
    case Type::tuple:
      return runtime.arena.make<ListIterator>(*value.list);
    case Type::dict:
      return runtime.arena.make<KeyIterator>(*value.dict);
    case Type::string:
      return runtime.arena.make<CharacterIterator>(runtime, *value.str);
    case Type::undefined:
      return runtime.arena.make<NoIterator>();
    case Type::object:
      return value.object->iterate(runtime);
    default:
      return nullptr;
  }
}

}  // namespace

Iterator* iterate_or_null(Runtime& runtime, const Value& value) {
  Iterator* iterator = plain_iterator(runtime, value);
  return iterator == nullptr ? nullptr : runtime.arena.make<PaidIterator>(runtime, iterator);
}

Iterator* iterate(Runtime& runtime, const Value& value) {
  Iterator* iterator = iterate_or_null(runtime, value);
  if (iterator == nullptr) {
    runtime.fail("'{}' cannot be iterated over", type_name(value));
  }
  return iterator;
}

int64_t length_or_none(Runtime& runtime, const Value& value) {
  switch (value.type) {
    case Type::undefined:
      return 0;
    case Type::string:
      return count_points(*value.str);
    case Type::list:
    case Type::tuple:
      return static_cast<int64_t>(value.list->items.size());
    case Type::dict:
      return static_cast<int64_t>(value.dict->entries().size());
    case Type::object:
      return value.object->length(runtime);
    default:
      return -1;
  }
}

int64_t length(Runtime& runtime, const Value& value) {
  const int64_t length = length_or_none(runtime, value);
  if (length < 0) {
    runtime.fail("'{}' has no length", type_name(value));
  }
  return length;
}

List* to_list(Runtime& runtime, const Value& value) {
  List* list = runtime.list();
  Iterator* values = iterate(runtime, value);
  for (Value item; values->next(item);) {
    list->items.push_back(item);
  }
  return list;
}

int64_t to_index(Runtime& runtime, const Value& value, std::string_view what) {
  if (value.is(Type::undefined)) {
    runtime.fail_undefined(*value.undefined);
  }
  if (!value.is_int()) {
    runtime.fail("{} needs a whole number, not {}", what, type_name(value));
  }
  return value.as_int();
}

}  // namespace dstorch::text::jinja
