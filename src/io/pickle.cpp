#include "io/pickle.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <unordered_map>

#include "io/pickle_opcodes.h"

namespace dstorch {
namespace {

/// Values, stack slots and items of one pickle. A tensor takes about 40 and makes about 20.
constexpr std::size_t kMaxWork = std::size_t{1} << 24U;
constexpr std::size_t kMaxNodes = std::size_t{1} << 22U;

/// The stack machine: opcodes in, one value out.
class PickleMachine {
 public:
  PickleMachine(ByteCursor& cursor, PickleArena& arena, PickleHost& host)
      : cursor_(cursor), arena_(arena), host_(host) {}

  const PickleNode* run() {
    for (;;) {
      const auto op = static_cast<PickleOp>(cursor_.read<uint8_t>());
      if (op == PickleOp::stop) {
        return pop();
      }
      if (!scalar(op) && !container(op) && !memo(op)) {
        object(op);
      }
    }
  }

 private:
  [[noreturn]] void damaged(std::string_view what) const {
    fail(ErrorKind::format, "{}: damaged pickle: {} before byte {}", arena_.where(), what, cursor_.position());
  }

  // ---- The stack. Nothing below the last mark can be reached.

  void push(PickleNode* node) {
    arena_.charge(1);
    stack_.push_back(node);
  }

  PickleNode* pop() {
    const auto floor = marks_.empty() ? 0 : marks_.back();
    if (stack_.size() <= floor) {
      damaged("a value is missing");
    }
    auto* node = stack_.back();
    stack_.pop_back();
    return node;
  }

  PickleNode* top() {
    auto* node = pop();
    stack_.push_back(node);
    return node;
  }

  std::vector<PickleNode*> pop_to_mark() {
    if (marks_.empty()) {
      damaged("a mark is missing");
    }
    const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<PickleNode*> items(first, stack_.end());
    stack_.erase(first, stack_.end());
    marks_.pop_back();
    return items;
  }

  PickleNode* top_of_type(PickleType type) {
    auto* node = top();
    if (node->type != type) {
      damaged(fmt::format("{} must be filled, found {}", describe(type), describe(node->type)));
    }
    return node;
  }

  // ---- Values.

  void push_text(PickleType type, uint64_t length) {
    auto* node = arena_.make(type);
    node->text = cursor_.take_text(length);
    push(node);
  }

  void push_integer(int64_t value) {
    auto* node = arena_.make(PickleType::integer);
    node->integer = value;
    push(node);
  }

  /// Little-endian two's complement of any length.
  void push_long(uint64_t length) {
    const auto bytes = cursor_.take_text(length);
    if (bytes.size() > sizeof(int64_t)) {
      auto* node = arena_.make(PickleType::big_integer);
      node->text = bytes;
      push(node);
      return;
    }
    const bool negative = !bytes.empty() && (static_cast<uint8_t>(bytes.back()) & 0x80U) != 0;
    uint64_t value = negative ? ~uint64_t{0} : 0;
    std::memcpy(&value, bytes.data(), bytes.size());
    push_integer(static_cast<int64_t>(value));
  }

  std::string_view take_line() {
    const auto begin = cursor_.position();
    auto ahead = cursor_;
    while (ahead.read<char>() != '\n') {
    }
    const auto line = cursor_.take_text(ahead.position() - begin);
    return line.substr(0, line.size() - 1);
  }

  /// Python 2 writes integers beyond 32 bits so, even in protocol 2.
  void push_int_text() {
    const auto line = take_line();
    int64_t value = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
    if (error != std::errc{} || end != line.data() + line.size()) {
      damaged("an integer is no integer");
    }
    if (line == "00" || line == "01") {
      push(arena_.boolean(value != 0));
    } else {
      push_integer(value);
    }
  }

  bool scalar(PickleOp op) {
    switch (op) {
      case PickleOp::none:
        push(arena_.none());
        return true;
      case PickleOp::new_true:
      case PickleOp::new_false:
        push(arena_.boolean(op == PickleOp::new_true));
        return true;
      case PickleOp::int_text:
        push_int_text();
        return true;
      case PickleOp::binint:
        push_integer(cursor_.read<int32_t>());
        return true;
      case PickleOp::binint1:
        push_integer(cursor_.read<uint8_t>());
        return true;
      case PickleOp::binint2:
        push_integer(cursor_.read<uint16_t>());
        return true;
      case PickleOp::long1:
        push_long(cursor_.read<uint8_t>());
        return true;
      case PickleOp::long4:
        push_long(cursor_.read<uint32_t>());
        return true;
      case PickleOp::binfloat: {
        auto* node = arena_.make(PickleType::real);
        node->real = std::bit_cast<double>(__builtin_bswap64(cursor_.read<uint64_t>()));
        push(node);
        return true;
      }
      case PickleOp::short_binstring:
      case PickleOp::short_binunicode:
        push_text(PickleType::string, cursor_.read<uint8_t>());
        return true;
      case PickleOp::binstring:
      case PickleOp::binunicode:
        push_text(PickleType::string, cursor_.read<uint32_t>());
        return true;
      case PickleOp::binunicode8:
        push_text(PickleType::string, cursor_.read<uint64_t>());
        return true;
      case PickleOp::short_binbytes:
        push_text(PickleType::bytes, cursor_.read<uint8_t>());
        return true;
      case PickleOp::binbytes:
        push_text(PickleType::bytes, cursor_.read<uint32_t>());
        return true;
      case PickleOp::binbytes8:
      case PickleOp::bytearray8:
        push_text(PickleType::bytes, cursor_.read<uint64_t>());
        return true;
      default:
        return false;
    }
  }

  // ---- Containers.

  void push_container(PickleType type, std::vector<PickleNode*> items) {
    arena_.charge(items.size());
    auto* node = arena_.make(type);
    node->items = std::move(items);
    push(node);
  }

  void push_tuple(std::size_t size) {
    std::vector<PickleNode*> items(size);
    for (std::size_t i = size; i-- > 0;) {
      items[i] = pop();
    }
    push_container(PickleType::tuple, std::move(items));
  }

  void push_dict(std::vector<PickleNode*> items) {
    check_pairs(items);
    push_container(PickleType::dict, std::move(items));
  }

  void check_pairs(const std::vector<PickleNode*>& items) const {
    if (items.size() % 2 != 0) {
      damaged("a key has no value");
    }
  }

  void extend(PickleNode* node, const std::vector<PickleNode*>& items) {
    arena_.charge(items.size());
    node->items.insert(node->items.end(), items.begin(), items.end());
  }

  bool container(PickleOp op) {
    switch (op) {
      case PickleOp::mark:
        arena_.charge(1);
        marks_.push_back(stack_.size());
        return true;
      case PickleOp::pop:
        // Popping on a bare mark takes the mark away, as Python does.
        if (!marks_.empty() && marks_.back() == stack_.size()) {
          marks_.pop_back();
        } else {
          pop();
        }
        return true;
      case PickleOp::pop_mark:
        pop_to_mark();
        return true;
      case PickleOp::dup:
        push(top());
        return true;
      case PickleOp::empty_list:
        push_container(PickleType::list, {});
        return true;
      case PickleOp::list:
        push_container(PickleType::list, pop_to_mark());
        return true;
      case PickleOp::empty_tuple:
        push_container(PickleType::tuple, {});
        return true;
      case PickleOp::tuple:
        push_container(PickleType::tuple, pop_to_mark());
        return true;
      case PickleOp::tuple1:
      case PickleOp::tuple2:
      case PickleOp::tuple3:
        push_tuple(static_cast<std::size_t>(op) - static_cast<std::size_t>(PickleOp::tuple1) + 1);
        return true;
      case PickleOp::empty_dict:
        push_container(PickleType::dict, {});
        return true;
      case PickleOp::dict:
        push_dict(pop_to_mark());
        return true;
      case PickleOp::empty_set:
        push_container(PickleType::set, {});
        return true;
      case PickleOp::frozenset:
        push_container(PickleType::set, pop_to_mark());
        return true;
      default:
        return fill(op);
    }
  }

  bool fill(PickleOp op) {
    switch (op) {
      case PickleOp::append: {
        auto* item = pop();
        extend(top_of_type(PickleType::list), {item});
        return true;
      }
      case PickleOp::appends: {
        const auto items = pop_to_mark();
        extend(top_of_type(PickleType::list), items);
        return true;
      }
      case PickleOp::additems: {
        const auto items = pop_to_mark();
        extend(top_of_type(PickleType::set), items);
        return true;
      }
      case PickleOp::setitem: {
        auto* value = pop();
        auto* key = pop();
        extend(top_of_type(PickleType::dict), {key, value});
        return true;
      }
      case PickleOp::setitems: {
        const auto items = pop_to_mark();
        check_pairs(items);
        extend(top_of_type(PickleType::dict), items);
        return true;
      }
      default:
        return false;
    }
  }

  // ---- The memo.

  void put(uint64_t key) {
    arena_.charge(1);
    memo_[key] = top();
  }

  void get(uint64_t key) {
    const auto it = memo_.find(key);
    if (it == memo_.end()) {
      damaged(fmt::format("memo {} is used and was never set", key));
    }
    push(it->second);
  }

  bool memo(PickleOp op) {
    switch (op) {
      case PickleOp::binput:
        put(cursor_.read<uint8_t>());
        return true;
      case PickleOp::long_binput:
        put(cursor_.read<uint32_t>());
        return true;
      case PickleOp::memoize:
        put(memo_.size());
        return true;
      case PickleOp::binget:
        get(cursor_.read<uint8_t>());
        return true;
      case PickleOp::long_binget:
        get(cursor_.read<uint32_t>());
        return true;
      default:
        return false;
    }
  }

  // ---- Objects: all of them are the host's to allow.

  void reduce() {
    const auto* args = pop();
    const auto* callable = pop();
    if (callable->type != PickleType::global || args->type != PickleType::tuple) {
      damaged(fmt::format("{} is called with {}", describe(callable->type), describe(args->type)));
    }
    push(host_.reduce(arena_, *callable, *args));
  }

  void stack_global() {
    const auto* name = pop();
    const auto* module = pop();
    if (name->type != PickleType::string || module->type != PickleType::string) {
      damaged("a global's name is no text");
    }
    push(host_.global(arena_, module->text, name->text));
  }

  /// The state of an object. None of the things that are kept here have one that matters: an OrderedDict's is
  /// `_metadata`, a tensor's its Python attributes.
  void build() {
    pop();
    const auto type = top()->type;
    if (type != PickleType::dict && type != PickleType::opaque && type != PickleType::tensor) {
      damaged(fmt::format("{} is given a state", describe(type)));
    }
  }

  void object(PickleOp op) {
    switch (op) {
      case PickleOp::global: {
        const auto module = take_line();
        const auto name = take_line();
        push(host_.global(arena_, module, name));
        return;
      }
      case PickleOp::stack_global:
        stack_global();
        return;
      case PickleOp::reduce:
      case PickleOp::newobj:
        reduce();
        return;
      case PickleOp::build:
        build();
        return;
      case PickleOp::binpersid:
        push(host_.persistent(arena_, *pop()));
        return;
      case PickleOp::proto: {
        const auto protocol = cursor_.read<uint8_t>();
        require(protocol >= 2 && protocol <= 5, ErrorKind::format, "{}: pickle protocol must be 2 to 5, it is {}",
                arena_.where(), protocol);
        return;
      }
      case PickleOp::frame:
        cursor_.skip(sizeof(uint64_t));
        return;
      default:
        damaged(fmt::format("opcode 0x{:02x} is not one a checkpoint needs, it was not executed;",
                            static_cast<unsigned>(op)));
    }
  }

  ByteCursor& cursor_;
  PickleArena& arena_;
  PickleHost& host_;
  std::vector<PickleNode*> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<uint64_t, PickleNode*> memo_;
};

}  // namespace

PickleArena::PickleArena(std::string_view where) : where_(where) {
  true_.type = PickleType::boolean;
  true_.integer = 1;
  false_.type = PickleType::boolean;
}

PickleNode* PickleArena::make(PickleType type) {
  require(nodes_.size() < kMaxNodes, ErrorKind::format, "{}: a pickle must hold at most {} values", where_, kMaxNodes);
  nodes_.emplace_back().type = type;
  return &nodes_.back();
}

void PickleArena::charge(std::size_t work) {
  work_ += std::min(work, kMaxWork);
  require(work_ <= kMaxWork, ErrorKind::format, "{}: a pickle must take at most {} steps", where_, kMaxWork);
}

const PickleNode* read_pickle(ByteCursor& cursor, PickleArena& arena, PickleHost& host) {
  return PickleMachine(cursor, arena, host).run();
}

std::string_view describe(PickleType type) noexcept {
  switch (type) {
    case PickleType::none:
      return "None";
    case PickleType::boolean:
      return "a bool";
    case PickleType::integer:
    case PickleType::big_integer:
      return "an integer";
    case PickleType::real:
      return "a float";
    case PickleType::string:
      return "a string";
    case PickleType::bytes:
      return "bytes";
    case PickleType::list:
      return "a list";
    case PickleType::tuple:
      return "a tuple";
    case PickleType::dict:
      return "a dict";
    case PickleType::set:
      return "a set";
    case PickleType::global:
      return "a class or function";
    case PickleType::storage:
      return "a storage";
    case PickleType::tensor:
      return "a tensor";
    case PickleType::opaque:
      return "an object";
  }
  return "something unknown";
}

}  // namespace dstorch
