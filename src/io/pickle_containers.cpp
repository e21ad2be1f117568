#include "io/pickle_machine.h"

namespace dstorch {

void PickleMachine::push_container(PickleType type, std::vector<PickleNode*> items) {
  arena_.charge(items.size());
  auto* node = arena_.make(type);
  node->items = std::move(items);
  push(node);
}

void PickleMachine::push_tuple(std::size_t size) {
  std::vector<PickleNode*> items(size);
  for (std::size_t i = size; i-- > 0;) {
    items[i] = pop();
  }
  push_container(PickleType::tuple, std::move(items));
}

void PickleMachine::push_dict(std::vector<PickleNode*> items) {
  check_pairs(items);
  push_container(PickleType::dict, std::move(items));
}

void PickleMachine::check_pairs(const std::vector<PickleNode*>& items) const {
  if (items.size() % 2 != 0) {
    damaged("a key has no value");
  }
}

void PickleMachine::extend(PickleNode* node, const std::vector<PickleNode*>& items) {
  arena_.charge(items.size());
  node->items.insert(node->items.end(), items.begin(), items.end());
}

bool PickleMachine::container(PickleOp op) {
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

bool PickleMachine::fill(PickleOp op) {
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

}  // namespace dstorch
