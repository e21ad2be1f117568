#pragma once

#include <c10/util/ThreadLocalDebugInfo.h>

#include <memory>

namespace dstorch {

/// Counts the CPU's blocks that the running thread takes and gives back, as long as the result lives; null where they
/// are counted already. LibTorch reports them to us as it does to its profiler, which hears nothing of this thread
/// meanwhile: no allocator is replaced. A counted block that another thread gives back unseen stays counted until
/// somebody gets its address.
std::unique_ptr<c10::DebugInfoGuard> count_cpu_memory();

}  // namespace dstorch
