#include "device/cpu_memory.h"

#include <memory>

#include "core/torch_compat.h"
#include "device/block_ledger.h"
#include "device/memory_account.h"

namespace dstorch {
namespace {

constexpr auto kReporting = c10::DebugInfoKind::PROFILER_STATE;

BlockLedger& ledger() {
  // Never destroyed: blocks may be freed while the program ends.
  static auto* const instance = new BlockLedger();
  return *instance;
}

/// Told by LibTorch's allocator of every block that a thread takes or gives back.
class Reporter final : public compat::MemoryReporter {
 public:
  void report(void* block, int64_t bytes, c10::Device device) override {
    if (!device.is_cpu()) {
      return;  // others count theirs themselves
    }
    const auto address = reinterpret_cast<std::uintptr_t>(block);
    if (bytes < 0) {
      ledger().taken_back(address);
      return;
    }
    try {
      ledger().given_out(address, Device{}, bytes);
    } catch (const std::bad_alloc&) {  // the block is there and usable; it stays uncounted
    }
  }
};

MemoryRecord* find_record(const at::DataPtr& block) {
  return ledger().find(reinterpret_cast<std::uintptr_t>(block.get()));
}

const std::shared_ptr<Reporter>& reporter() {
  static const auto instance = [] {
    set_record_finder(DeviceType::cpu, &find_record);
    return std::make_shared<Reporter>();
  }();
  return instance;
}

}  // namespace

std::unique_ptr<c10::DebugInfoGuard> count_cpu_memory() {
  if (c10::ThreadLocalDebugInfo::get(kReporting) == reporter().get()) {
    return nullptr;
  }
  return std::make_unique<c10::DebugInfoGuard>(kReporting, reporter());
}

}  // namespace dstorch
