#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <vector>

#include "device/memory_account.h"
#include "ops/pass_threads.h"

namespace dstorch::training {

/// Calls body(index) for each index below `count`, on the threads of the PassThreads around: each runs LibTorch's
/// operations alone, and what it takes is counted as `kind` where the calling thread's is counted. Returns when all are
/// done; then rethrows the first error, by index.
template <class Body>
void for_each_part(int64_t count, MemoryKind kind, const Body& body) {
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(count));
  const auto account = MemoryScope::current().account;
  ops::for_each_in_parallel(count, [&](int64_t index) {
    try {
      const MemoryScope scope(account, kind);
      const ops::LibTorchThreads alone(1);
      body(index);
    } catch (...) {
      errors[static_cast<std::size_t>(index)] = std::current_exception();
    }
  });
  for (const auto& error : errors) {
    if (error) {
      std::rethrow_exception(error);
    }
  }
}

}  // namespace dstorch::training
