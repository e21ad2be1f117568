#pragma once

#include <omp.h>

#include "ops/cpu/thread_pool.h"

namespace dstorch::ops {

/// The threads of one model's passes, for the thread that makes this, while it lives: the kernels it calls run on a
/// pool of the model's own. Nobody else's number of threads changes: OpenMP's setting is each thread's.
class PassThreads {
 public:
  /// What LibTorch's own operations run on.
  enum class LibTorch {
    alone,  ///< The calling thread: no OpenMP team is made.
    team,   ///< As many threads of OpenMP: for backward passes, which are LibTorch's.
  };

  /// `threads` below 1: the processors this process may run on.
  explicit PassThreads(int threads, LibTorch libtorch = LibTorch::alone)
      : pool_(threads), use_(pool_), previous_(omp_get_max_threads()) {
    omp_set_num_threads(libtorch == LibTorch::team ? pool_.threads() : 1);
  }
  ~PassThreads() { omp_set_num_threads(previous_); }
  PassThreads(const PassThreads&) = delete;
  PassThreads& operator=(const PassThreads&) = delete;

 private:
  cpu::ThreadPool pool_;
  cpu::ThreadPool::Use use_;
  int previous_;
};

}  // namespace dstorch::ops
