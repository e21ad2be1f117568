#pragma once

#include <ATen/Parallel.h>
#include <omp.h>

#include "ops/cpu/thread_pool.h"
#include "ops/fork.h"

namespace dstorch::ops {

/// Sets, while it lives, on how many OpenMP threads LibTorch's operations run that the calling thread calls. Other
/// threads are not affected, since OpenMP keeps this setting per thread.
class LibTorchThreads {
 public:
  explicit LibTorchThreads(int threads) {
    at::get_num_threads();  // LibTorch overwrites the setting in the first operation of each thread: that comes first.
    previous_ = omp_get_max_threads();
    omp_set_num_threads(threads);
  }
  ~LibTorchThreads() { omp_set_num_threads(previous_); }
  LibTorchThreads(const LibTorchThreads&) = delete;
  LibTorchThreads& operator=(const LibTorchThreads&) = delete;

 private:
  int previous_;
};

/// The threads of one model's passes. While it lives, the kernels that its creating thread calls run on a pool of their
/// own, and LibTorch's operations on that thread alone: no team of OpenMP is made. To be destroyed on the same thread.
class PassThreads {
 public:
  /// `threads` below 1: the processors this process may run on.
  explicit PassThreads(int threads) : pool_(threads), use_(pool_) { keep_forks_working(); }
  PassThreads(const PassThreads&) = delete;
  PassThreads& operator=(const PassThreads&) = delete;

 private:
  cpu::ThreadPool pool_;
  cpu::ThreadPool::Use use_;
  LibTorchThreads libtorch_{1};
};

/// Calls body(index) for each index below `count`, on the threads of the PassThreads around. `body` must not throw.
template <class Body>
void for_each_in_parallel(int64_t count, const Body& body) {
  cpu::parallel_for(count, 1, [&](int64_t begin, int64_t end) {
    for (auto index = begin; index < end; ++index) {
      body(index);
    }
  });
}

}  // namespace dstorch::ops
