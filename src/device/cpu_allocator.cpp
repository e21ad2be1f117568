#include <ATen/ATen.h>
#include <c10/core/CPUAllocator.h>

#include <limits>
#include <mutex>
#include <new>
#include <utility>

#include "core/throw.h"
#include "core/torch_compat.h"
#include "device/memory_account.h"

namespace dstorch {
namespace {

/// Stands before each block. As large as c10's alignment, so that what follows it is aligned as before.
struct alignas(64) Header {
  explicit Header(MemoryRecord&& counted) noexcept : record(std::move(counted)) {}
  MemoryRecord record;
};
static_assert(sizeof(Header) == 64);

c10::Allocator* system_allocator = nullptr;  // set once, before the first block

Header* header_of(void* data) noexcept {
  return reinterpret_cast<Header*>(static_cast<std::byte*>(data) - sizeof(Header));
}

void free_block(void* data) {
  if (data != nullptr) {
    auto* const header = header_of(data);
    header->~Header();
    system_allocator->raw_deallocate(header);
  }
}

void* allocate_with_header(std::size_t bytes) {
  try {
    return system_allocator->raw_allocate(bytes + sizeof(Header));
  } catch (const c10::Error&) {
    fail(ErrorKind::out_of_memory, "the system has no memory for a tensor of {} bytes", bytes);
  }
}

class CountingAllocator : public compat::Allocator {
 public:
  [[nodiscard]] c10::DataPtr make(std::size_t bytes) const override {
    if (bytes == 0) {
      return {nullptr, nullptr, &free_block, c10::Device(c10::kCPU)};
    }
    constexpr auto most = static_cast<std::size_t>(std::numeric_limits<int64_t>::max()) - sizeof(Header);
    require(bytes <= most, ErrorKind::out_of_memory, "a tensor of {} bytes is larger than any memory", bytes);
    MemoryRecord record(Device{}, static_cast<int64_t>(bytes));  // before the block: a limit refuses it here
    auto* const header = new (allocate_with_header(bytes)) Header(std::move(record));
    auto* const data = header + 1;
    return {data, data, &free_block, c10::Device(c10::kCPU)};
  }

  [[nodiscard]] c10::DeleterFnPtr raw_deleter() const override { return &free_block; }
};

MemoryRecord* find_record(const at::DataPtr& block) {
  if (block.get_deleter() != &free_block || block.get_context() == nullptr) {
    return nullptr;
  }
  return &header_of(block.get_context())->record;
}

}  // namespace

void count_cpu_memory() {
  static std::once_flag once;
  std::call_once(once, [] {
    auto* const before = c10::GetCPUAllocator();
    if (before->raw_deleter() == nullptr) {
      return;  // an allocator of the program around that cannot be wrapped: it goes on as it was
    }
    system_allocator = before;
    // Never destroyed: tensors may outlive everything else.
    static auto* const counting = new CountingAllocator();
    constexpr uint8_t highest = std::numeric_limits<uint8_t>::max();
    set_record_finder(DeviceType::cpu, &find_record);
    c10::SetCPUAllocator(counting, highest);
  });
}

}  // namespace dstorch
