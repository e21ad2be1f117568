#include "io/pickle.h"

#include <algorithm>

#include "io/pickle_machine.h"

namespace dstorch {
namespace {

/// Values, stack slots and items of one pickle. A tensor takes about 40 and makes about 20.
constexpr std::size_t kMaxWork = std::size_t{1} << 24U;
constexpr std::size_t kMaxNodes = std::size_t{1} << 22U;

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
