#pragma once

#include <ATen/Parallel.h>
#include <omp.h>

#include "ops/cpu/thread_pool.h"
#include "ops/fork.h"

namespace dstorch::ops {

/// How many threads of OpenMP LibTorch's operations run on where the calling thread asks for them, while this lives.
/// Nobody else's number changes: OpenMP's setting is each thread's.
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

/// The threads of one model's passes, for the thread that makes this, while it lives: the kernels it calls run on a
/// pool of the model's own.
class PassThreads {
 public:
  /// What LibTorch's own operations run on.
  enum class LibTorch {
    alone,  ///< The calling thread: no OpenMP team is made.
    team,   ///< As many threads of OpenMP: for backward passes, which are LibTorch's.
  };

  /// `threads` below 1: the processors this process may run on.
  explicit PassThreads(int threads, LibTorch libtorch = LibTorch::alone)
      : pool_(threads), use_(pool_), libtorch_(libtorch == LibTorch::team ? pool_.threads() : 1) {
    keep_forks_working();
  }
  PassThreads(const PassThreads&) = delete;
  PassThreads& operator=(const PassThreads&) = delete;

 private:
  cpu::ThreadPool pool_;
  cpu::ThreadPool::Use use_;
  LibTorchThreads libtorch_;
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
