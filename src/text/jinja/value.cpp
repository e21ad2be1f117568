#include "text/jinja/value.h"

#include <cmath>
#include <functional>

#include "text/jinja/operators.h"
#include "text/jinja/runtime.h"

namespace dstorch::text::jinja {
namespace {

std::size_t hash_text(std::string_view text) { return std::hash<std::string_view>{}(text); }

std::size_t hash_number(const Value& value) {
  // Numbers that are equal must hash alike: 1, 1.0 and true are one key.
  constexpr double kExact = 9007199254740992.0;
  if (value.is(Value::Type::real) && (value.real != std::floor(value.real) || std::abs(value.real) > kExact)) {
    return std::hash<double>{}(value.real);
  }
  return std::hash<int64_t>{}(value.is(Value::Type::real) ? static_cast<int64_t>(value.real) : value.as_int());
}

}  // namespace

std::size_t hash(Runtime& runtime, const Value& value) {
  switch (value.type) {
    case Value::Type::string:
      return hash_text(value.text());
    case Value::Type::boolean:
    case Value::Type::integer:
    case Value::Type::real:
      return hash_number(value);
    case Value::Type::list:
    case Value::Type::dict:
      runtime.fail("unhashable type: '{}'", type_name(value));
    case Value::Type::tuple: {
      const Runtime::Level level(runtime);
      runtime.charge(value.list->items.size());
      std::size_t all = value.list->items.size();
      for (const Value& item : value.list->items) {
        all = all * 1000003U + hash(runtime, item);
      }
      return all;
    }
    case Value::Type::object:
      return std::hash<const void*>{}(value.object);
    default:
      return static_cast<std::size_t>(value.type);
  }
}

template <typename IsKey>
std::size_t Dict::locate(std::size_t hash, const IsKey& is_key) const {
  if (entries_.size() < kIndexedFrom) {
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      if (hashes_[i] == hash && is_key(entries_[i].first)) {
        return i;
      }
    }
    return kNotFound;
  }
  for (auto [at, end] = index_.equal_range(hash); at != end; ++at) {
    if (is_key(entries_[at->second].first)) {
      return at->second;
    }
  }
  return kNotFound;
}

std::size_t Dict::locate(Runtime& runtime, std::size_t hash, const Value& key) const {
  return locate(hash, [&](const Value& other) { return equal(runtime, other, key); });
}

const Value* Dict::find(Runtime& runtime, const Value& key) const {
  const std::size_t at = locate(runtime, hash(runtime, key), key);
  return at == kNotFound ? nullptr : &entries_[at].second;
}

const Value* Dict::find(std::string_view key) const {
  const std::size_t at =
      locate(hash_text(key), [&](const Value& other) { return other.is_string() && other.text() == key; });
  return at == kNotFound ? nullptr : &entries_[at].second;
}

void Dict::set(Runtime& runtime, const Value& key, const Value& value) {
  runtime.charge(1);
  const std::size_t hashed = hash(runtime, key);
  const std::size_t at = locate(runtime, hashed, key);
  if (at == kNotFound) {
    insert(hashed, key, value);
  } else {
    entries_[at].second = value;
  }
}

void Dict::add(const Str* key, const Value& value) { insert(hash_text(key->text), Value::of(key), value); }

void Dict::insert(std::size_t hash, const Value& key, const Value& value) {
  entries_.emplace_back(key, value);
  hashes_.push_back(hash);
  if (entries_.size() == kIndexedFrom) {
    for (uint32_t i = 0; i < kIndexedFrom; ++i) {
      index_.emplace(hashes_[i], i);
    }
  } else if (entries_.size() > kIndexedFrom) {
    index_.emplace(hash, static_cast<uint32_t>(entries_.size() - 1));
  }
}

}  // namespace dstorch::text::jinja
