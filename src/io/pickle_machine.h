#pragma once

#include <unordered_map>

#include "io/pickle.h"
#include "io/pickle_opcodes.h"

namespace dstorch {

/// The stack machine of one pickle: opcodes in, one value out. Each group of opcodes is a function that says whether
/// the opcode was one of its own.
class PickleMachine {
 public:
  PickleMachine(ByteCursor& cursor, PickleArena& arena, PickleHost& host)
      : cursor_(cursor), arena_(arena), host_(host) {}

  const PickleNode* run();

 private:
  [[noreturn]] void damaged(std::string_view what) const;

  // The stack. Nothing below the last mark can be reached.
  void push(PickleNode* node);
  PickleNode* pop();
  PickleNode* top();
  std::vector<PickleNode*> pop_to_mark();
  PickleNode* top_of_type(PickleType type);

  // pickle_scalars.cpp
  void push_text(PickleType type, uint64_t length);
  void push_integer(int64_t value);
  /// Little-endian two's complement of any length.
  void push_long(uint64_t length);
  std::string_view take_line();
  /// Python 2 writes integers beyond 32 bits so, even in protocol 2.
  void push_int_text();
  bool scalar(PickleOp op);

  // pickle_containers.cpp
  void push_container(PickleType type, std::vector<PickleNode*> items);
  void push_tuple(std::size_t size);
  void push_dict(std::vector<PickleNode*> items);
  void check_pairs(const std::vector<PickleNode*>& items) const;
  void extend(PickleNode* node, const std::vector<PickleNode*>& items);
  bool container(PickleOp op);
  bool fill(PickleOp op);

  // The memo, and objects: all of them are the host's to allow.
  void put(uint64_t key);
  void get(uint64_t key);
  bool memo(PickleOp op);
  void reduce();
  void stack_global();
  /// The state of an object. None of the things that are kept here have one that matters: an OrderedDict's is
  /// `_metadata`, a tensor's its Python attributes.
  void build();
  void object(PickleOp op);

  ByteCursor& cursor_;
  PickleArena& arena_;
  PickleHost& host_;
  std::vector<PickleNode*> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<uint64_t, PickleNode*> memo_;
};

}  // namespace dstorch
