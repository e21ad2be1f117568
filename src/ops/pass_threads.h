#pragma once

#include <omp.h>

#include "ops/cpu/thread_pool.h"
#include "ops/fork.h"

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
    keep_forks_working();
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
