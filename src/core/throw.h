#pragma once

#include <fmt/core.h>

#include <utility>

#include "dstorch/error.h"

namespace dstorch {

/// Throws an LMError whose message is formatted by fmt.
template <typename... Args>
[[noreturn]] void fail(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  throw LMError(kind, fmt::format(format, std::forward<Args>(args)...));
}

/// Throws as `fail` does unless `condition` holds.
template <typename... Args>
void require(bool condition, ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  if (!condition) {
    fail(kind, format, std::forward<Args>(args)...);
  }
}

}  // namespace dstorch
