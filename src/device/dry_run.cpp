#include "device/dry_run.h"

#include <utility>

#include "core/torch_compat.h"

namespace dstorch {
namespace {

thread_local const DryRun* current_run = nullptr;

void delete_record(void* record) { delete static_cast<MemoryRecord*>(record); }

/// In the place of LibTorch's allocator for `meta`, which it asks in its turn unless the thread is in a dry run.
class CountingNothing final : public compat::Allocator {
 public:
  explicit CountingNothing(c10::Allocator& usual) : usual_(usual) {}

  [[nodiscard]] c10::DataPtr make(std::size_t bytes) const override {
    if (current_run == nullptr) {
      return usual_.allocate(bytes);
    }
    auto record = std::make_unique<MemoryRecord>(MemoryRecord::of_planned(static_cast<int64_t>(bytes)));
    return {nullptr, record.release(), &delete_record, at::Device(at::kMeta)};
  }

 private:
  c10::Allocator& usual_;
};

/// While the program starts, which is when LibTorch wants allocators to be set. Never destroyed: blocks may be freed
/// while it ends.
[[maybe_unused]] const auto* const counting_nothing = [] {
  auto* const made = new CountingNothing(*c10::GetAllocator(at::kMeta));
  c10::SetAllocator(at::kMeta, made);
  return made;
}();

}  // namespace

DryRun::DryRun(std::shared_ptr<MemoryAccount> account, at::Device device)
    : outer_(current_run), device_(device), scope_(std::move(account), MemoryKind::other) {
  current_run = this;
}

DryRun::~DryRun() { current_run = outer_; }

at::Device DryRun::meaning(at::Device device) noexcept {
  return device.is_meta() && current_run != nullptr ? current_run->device_ : device;
}

MemoryRecord* find_dry_record(const at::DataPtr& block) noexcept {
  return block.get_deleter() == &delete_record ? static_cast<MemoryRecord*>(block.get_context()) : nullptr;
}

}  // namespace dstorch
