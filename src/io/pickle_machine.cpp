#include "io/pickle_machine.h"

namespace dstorch {

const PickleNode* PickleMachine::run() {
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

void PickleMachine::damaged(std::string_view what) const {
  fail(ErrorKind::format, "{}: damaged pickle: {} before byte {}", arena_.where(), what, cursor_.position());
}

void PickleMachine::push(PickleNode* node) {
  arena_.charge(1);
  stack_.push_back(node);
}

PickleNode* PickleMachine::pop() {
  const auto floor = marks_.empty() ? 0 : marks_.back();
  if (stack_.size() <= floor) {
    damaged("a value is missing");
  }
  auto* node = stack_.back();
  stack_.pop_back();
  return node;
}

PickleNode* PickleMachine::top() {
  auto* node = pop();
  stack_.push_back(node);
  return node;
}

std::vector<PickleNode*> PickleMachine::pop_to_mark() {
  if (marks_.empty()) {
    damaged("a mark is missing");
  }
  const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  std::vector<PickleNode*> items(first, stack_.end());
  stack_.erase(first, stack_.end());
  marks_.pop_back();
  return items;
}

PickleNode* PickleMachine::top_of_type(PickleType type) {
  auto* node = top();
  if (node->type != type) {
    damaged(fmt::format("{} must be filled, found {}", describe(type), describe(node->type)));
  }
  return node;
}

void PickleMachine::put(uint64_t key) {
  arena_.charge(1);
  memo_[key] = top();
}

void PickleMachine::get(uint64_t key) {
  const auto it = memo_.find(key);
  if (it == memo_.end()) {
    damaged(fmt::format("memo {} is used and was never set", key));
  }
  push(it->second);
}

bool PickleMachine::memo(PickleOp op) {
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

void PickleMachine::reduce() {
  const auto* args = pop();
  const auto* callable = pop();
  if (callable->type != PickleType::global || args->type != PickleType::tuple) {
    damaged(fmt::format("{} is called with {}", describe(callable->type), describe(args->type)));
  }
  push(host_.reduce(arena_, *callable, *args));
}

void PickleMachine::stack_global() {
  const auto* name = pop();
  const auto* module = pop();
  if (name->type != PickleType::string || module->type != PickleType::string) {
    damaged("a global's name is no text");
  }
  push(host_.global(arena_, module->text, name->text));
}

void PickleMachine::build() {
  pop();
  const auto type = top()->type;
  if (type != PickleType::dict && type != PickleType::opaque && type != PickleType::tensor) {
    damaged(fmt::format("{} is given a state", describe(type)));
  }
}

void PickleMachine::object(PickleOp op) {
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

}  // namespace dstorch
