#pragma once

#include <cstdint>
#include <memory_resource>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace dstorch::text::jinja {

class Runtime;
class Dict;
class Object;
struct List;

/// Text, valid UTF-8.
struct Str {
  std::string_view text;
  /// Made by `safe` or `escape` (Python's Markup): text added to it is escaped for HTML.
  bool safe = false;
  /// Code points, once they were counted.
  mutable int64_t length = -1;
};

/// What is known about a value that is not there, for the error when it is used.
struct Undefined {
  /// Written by hand: said as it is.
  std::string_view hint;
  std::string_view name;
  /// The type of what should have had `name`; empty for a variable.
  std::string_view owner;
};

/// What a template computes with: Python's values. Small, copied freely; what it points at belongs to an Arena.
struct Value {
  /// `missing` is a variable's slot before anything was stored there; no expression has it.
  enum class Type : uint8_t { missing, undefined, none, boolean, integer, real, string, list, tuple, dict, object };

  Type type = Type::missing;
  union {
    bool boolean;
    int64_t integer = 0;
    double real;
    const Str* str;
    const List* list;
    const Dict* dict;
    Object* object;
    const Undefined* undefined;
  };

  static Value none() {
    Value v;
    v.type = Type::none;
    return v;
  }
  static Value of(bool value) {
    Value v;
    v.type = Type::boolean;
    v.boolean = value;
    return v;
  }
  static Value of(int64_t value) {
    Value v;
    v.type = Type::integer;
    v.integer = value;
    return v;
  }
  static Value of(double value) {
    Value v;
    v.type = Type::real;
    v.real = value;
    return v;
  }
  static Value of(const Str* value) {
    Value v;
    v.type = Type::string;
    v.str = value;
    return v;
  }
  static Value of(const List* value, bool tuple = false) {
    Value v;
    v.type = tuple ? Type::tuple : Type::list;
    v.list = value;
    return v;
  }
  static Value of(const Dict* value) {
    Value v;
    v.type = Type::dict;
    v.dict = value;
    return v;
  }
  static Value of(Object* value) {
    Value v;
    v.type = Type::object;
    v.object = value;
    return v;
  }
  static Value of(const Undefined* value) {
    Value v;
    v.type = Type::undefined;
    v.undefined = value;
    return v;
  }

  [[nodiscard]] bool is(Type other) const noexcept { return type == other; }
  [[nodiscard]] bool is_string() const noexcept { return type == Type::string; }
  [[nodiscard]] bool is_sequence() const noexcept { return type == Type::list || type == Type::tuple; }
  /// Python's `int`, of which `bool` is a kind.
  [[nodiscard]] bool is_int() const noexcept { return type == Type::integer || type == Type::boolean; }
  [[nodiscard]] bool is_number() const noexcept { return is_int() || type == Type::real; }
  [[nodiscard]] int64_t as_int() const noexcept { return type == Type::boolean ? (boolean ? 1 : 0) : integer; }
  [[nodiscard]] double as_real() const noexcept { return type == Type::real ? real : static_cast<double>(as_int()); }
  [[nodiscard]] std::string_view text() const noexcept { return str->text; }
};

/// A list or a tuple.
struct List {
  explicit List(std::pmr::memory_resource* memory) : items(memory) {}
  std::pmr::vector<Value> items;
  /// Names of a tuple's items, for `groupby`; else null.
  const std::string_view* names = nullptr;
};

/// Python's dict: keys in the order in which they came.
class Dict {
 public:
  explicit Dict(std::pmr::memory_resource* memory) : entries_(memory), hashes_(memory), index_(memory) {}

  /// Null without the key. Unhashable keys throw.
  [[nodiscard]] const Value* find(Runtime& runtime, const Value& key) const;
  [[nodiscard]] const Value* find(std::string_view key) const;
  void set(Runtime& runtime, const Value& key, const Value& value);
  /// For text that is known to be no key yet.
  void add(const Str* key, const Value& value);

  using Entry = std::pair<Value, Value>;
  [[nodiscard]] const std::pmr::vector<Entry>& entries() const noexcept { return entries_; }

 private:
  // Up to here, looking at every key is as fast as an index.
  static constexpr std::size_t kIndexedFrom = 12;
  static constexpr std::size_t kNotFound = static_cast<std::size_t>(-1);
  template <typename IsKey>
  [[nodiscard]] std::size_t locate(std::size_t hash, const IsKey& is_key) const;
  [[nodiscard]] std::size_t locate(Runtime& runtime, std::size_t hash, const Value& key) const;
  void insert(std::size_t hash, const Value& key, const Value& value);

  std::pmr::vector<Entry> entries_;
  std::pmr::vector<std::size_t> hashes_;
  std::pmr::unordered_multimap<std::size_t, uint32_t> index_;
};

/// Arguments of a call.
struct Args {
  const Value* positional = nullptr;
  std::size_t count = 0;
  const std::pair<std::string_view, Value>* named = nullptr;
  std::size_t named_count = 0;
};

/// Yields values one by one.
class Iterator {
 public:
  virtual ~Iterator() = default;
  /// False at the end.
  virtual bool next(Value& value) = 0;
};

/// Values with a behaviour of their own: namespaces, functions, generators, views, loops.
class Object {
 public:
  virtual ~Object() = default;
  /// As Python's `type(x).__name__`.
  [[nodiscard]] virtual std::string_view type_name() const = 0;
  /// As Python prints it.
  [[nodiscard]] virtual std::string_view print(Runtime& runtime);
  virtual std::optional<Value> attribute(Runtime& /*runtime*/, std::string_view /*name*/) { return std::nullopt; }
  [[nodiscard]] virtual bool callable() const { return false; }
  virtual Value call(Runtime& runtime, const Args& args);
  /// Null when it cannot be iterated over.
  virtual Iterator* iterate(Runtime& /*runtime*/) { return nullptr; }
  /// -1 when it has no length.
  virtual int64_t length(Runtime& /*runtime*/) { return -1; }
  /// Whether it has Python's `__getitem__`.
  [[nodiscard]] virtual bool indexable() const { return false; }
  virtual std::optional<Value> item(Runtime& /*runtime*/, const Value& /*index*/) { return std::nullopt; }
};

/// As Python's `type(x).__name__`.
std::string_view type_name(const Value& value);

/// Throws for what cannot be a key.
std::size_t hash(Runtime& runtime, const Value& value);

}  // namespace dstorch::text::jinja
