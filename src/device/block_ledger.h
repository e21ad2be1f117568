#pragma once

#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "device/memory_account.h"

namespace dstorch {

/// Counts the blocks of an allocator that cannot be wrapped, but tells of each block it gives out and takes back.
/// Thread-safe; takes no lock but its own.
class BlockLedger {
 public:
  /// A block was given out to the running thread, whose scope says what it is for. A block at an address that is
  /// known already takes the other's place: word of the other's end was lost.
  void given_out(std::uintptr_t address, const Device& device, int64_t bytes);
  /// Nothing happens for a block that was given out before the ledger listened.
  void taken_back(std::uintptr_t address) noexcept;
  /// Null when the block is not known. Valid until the block is taken back.
  [[nodiscard]] MemoryRecord* find(std::uintptr_t address) noexcept;

 private:
  std::mutex mutex_;
  std::unordered_map<std::uintptr_t, MemoryRecord> blocks_;
};

}  // namespace dstorch
