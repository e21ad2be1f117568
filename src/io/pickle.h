#pragma once

#include <deque>
#include <span>
#include <string_view>
#include <vector>

#include "io/byte_cursor.h"

namespace dstorch {

enum class PickleType : uint8_t {
  none,
  boolean,
  integer,
  big_integer,  ///< Beyond 64 bits: `text` has its bytes.
  real,
  string,  ///< Also Python 2's `str`.
  bytes,
  list,
  tuple,
  dict,  ///< `items` alternate keys and values.
  set,
  global,   ///< `index` is the host's.
  storage,  ///< `index` is the host's.
  tensor,   ///< `index` is the host's.
  opaque,   ///< Something allowed that nobody needs.
};

/// One value. Texts point into the file. Lists, dicts and sets may contain themselves.
struct PickleNode {
  PickleType type = PickleType::none;
  union {
    int64_t integer = 0;
    double real;
    std::size_t index;
  };
  std::string_view text;
  std::vector<PickleNode*> items;
};

/// Owns the values of one pickle and bounds how many there are, so that a small hostile file cannot ask for much
/// memory or time. Not thread-safe.
class PickleArena {
 public:
  /// `where` names the source in errors.
  explicit PickleArena(std::string_view where);

  PickleNode* make(PickleType type);
  /// None, True and False are one value each, as in Python.
  PickleNode* none() noexcept { return &none_; }
  PickleNode* boolean(bool value) noexcept { return value ? &true_ : &false_; }
  /// Counts work that makes no value: stack slots, items of a container.
  void charge(std::size_t work);
  [[nodiscard]] std::string_view where() const noexcept { return where_; }

 private:
  std::string_view where_;
  PickleNode none_;
  PickleNode true_;
  PickleNode false_;
  std::deque<PickleNode> nodes_;
  std::size_t work_ = 0;
};

/// Decides what globals mean. The machine itself calls nothing and knows no class.
class PickleHost {
 public:
  virtual ~PickleHost() = default;
  /// A `global` node; throws LMError{format} for one that is not allowed.
  virtual PickleNode* global(PickleArena& arena, std::string_view module, std::string_view name) = 0;
  /// What `callable(*args)` would make; `callable` came from `global`, `args` is a tuple.
  virtual PickleNode* reduce(PickleArena& arena, const PickleNode& callable, const PickleNode& args) = 0;
  /// What a persistent id stands for.
  virtual PickleNode* persistent(PickleArena& arena, const PickleNode& id) = 0;
};

/// Reads one pickle (protocols 2 to 5, docs.python.org/3/library/pickletools.html) up to its STOP and leaves `cursor`
/// after it. Executes nothing; opcodes that only protocols 0 and 1 or extensions need are refused.
/// Throws LMError{format}.
const PickleNode* read_pickle(ByteCursor& cursor, PickleArena& arena, PickleHost& host);

/// "a dict", "an integer", for messages.
std::string_view describe(PickleType type) noexcept;

}  // namespace dstorch
