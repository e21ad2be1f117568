#include "device/cuda_allocator.h"

// Set by the build where LibTorch has CUDA, and an allocator that tells what it does.
#ifdef DSTORCH_CUDA_TRACE
#include <ATen/ATen.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <torch/cuda.h>

#include <new>

#include "device/block_ledger.h"
#include "device/memory_account.h"
#endif

namespace dstorch {

#ifdef DSTORCH_CUDA_TRACE
namespace {

namespace caching = c10::cuda::CUDACachingAllocator;

BlockLedger& ledger() {
  // Never destroyed: blocks may be freed while the program ends.
  static auto* const instance = new BlockLedger();
  return *instance;
}

/// Called by the thread that allocates or frees, under the allocator's lock: it must not call LibTorch.
void note(const caching::TraceEntry& entry) {
  const auto address = static_cast<std::uintptr_t>(entry.addr_);
  if (entry.action_ == caching::TraceEntry::ALLOC) {
    try {
      const Device device{DeviceType::cuda, static_cast<int>(entry.device_)};
      ledger().given_out(address, device, static_cast<int64_t>(entry.size_));
    } catch (const std::bad_alloc&) {  // the block is there and usable; it stays uncounted
    }
  } else if (entry.action_ == caching::TraceEntry::FREE_REQUESTED) {
    ledger().taken_back(address);
  }
}

MemoryRecord* find_record(const at::DataPtr& block) {
  return ledger().find(reinterpret_cast<std::uintptr_t>(block.get()));
}

bool listen() {
  if (!torch::cuda::is_available()) {
    return false;
  }
  try {
    at::empty({0}, at::TensorOptions(at::kCUDA));  // starts the allocator, which takes no listener before
    caching::attachAllocatorTraceTracker(&note);
  } catch (const c10::Error&) {
    return false;  // cudaMallocAsync, an allocator of the program around, or a GPU that does not answer
  }
  set_record_finder(DeviceType::cuda, &find_record);
  return true;
}

}  // namespace

bool count_cuda_memory() {
  static const bool counted = listen();
  return counted;
}

void release_cuda_cache() {
  if (count_cuda_memory()) {
    caching::emptyCache();
  }
}
#else
bool count_cuda_memory() { return false; }
void release_cuda_cache() {}
#endif

}  // namespace dstorch
