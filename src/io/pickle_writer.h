#pragma once

#include <span>
#include <string>
#include <string_view>

#include "io/pickle_opcodes.h"

namespace dstorch {

/// Writes pickle protocol 2, value by value, without a memo.
class PickleWriter {
 public:
  PickleWriter();

  PickleWriter& op(PickleOp op);
  PickleWriter& global(std::string_view module, std::string_view name);
  /// UTF-8.
  PickleWriter& text(std::string_view value);
  PickleWriter& integer(int64_t value);
  PickleWriter& tuple(std::span<const int64_t> values);

  /// Ends the pickle.
  [[nodiscard]] std::string finish();

 private:
  template <typename T>
  void put(T value) {
    out_.append(reinterpret_cast<const char*>(&value), sizeof(T));
  }

  std::string out_;
};

}  // namespace dstorch
