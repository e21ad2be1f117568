#pragma once

namespace dstorch {

/// Listens to LibTorch's allocator for cuda from the first call on. False when it cannot be listened to: this dstorch
/// was built with a LibTorch without CUDA or before 2.2, there is no GPU, or PYTORCH_CUDA_ALLOC_CONF chose another
/// allocator than LibTorch's own. Thread-safe.
bool count_cuda_memory();

/// Gives the GPUs back what LibTorch's allocator keeps of freed blocks, where it can be told to. Thread-safe.
void release_cuda_cache();

}  // namespace dstorch
