#include "device/block_ledger.h"

namespace dstorch {

void BlockLedger::given_out(std::uintptr_t address, const Device& device, int64_t bytes) {
  const std::lock_guard lock(mutex_);
  blocks_.erase(address);
  blocks_.emplace(address, MemoryRecord::of_allocated(device, bytes));
}

void BlockLedger::taken_back(std::uintptr_t address) noexcept {
  const std::lock_guard lock(mutex_);
  blocks_.erase(address);
}

MemoryRecord* BlockLedger::find(std::uintptr_t address) noexcept {
  const std::lock_guard lock(mutex_);
  const auto at = blocks_.find(address);
  return at == blocks_.end() ? nullptr : &at->second;
}

}  // namespace dstorch
