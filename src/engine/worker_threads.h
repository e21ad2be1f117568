#pragma once

#include <omp.h>

#include "ops/cpu/thread_pool.h"

namespace dstorch::engine {

/// The threads of an engine's kernels, for the thread that makes this, while it lives. LibTorch's own operations run on
/// that thread alone: OpenMP's setting is each thread's own.
class WorkerThreads {
 public:
  /// `threads` below 1: the processors this process may run on.
  explicit WorkerThreads(int threads) : pool_(threads), use_(pool_) { omp_set_num_threads(1); }

 private:
  ops::cpu::ThreadPool pool_;
  ops::cpu::ThreadPool::Use use_;
};

}  // namespace dstorch::engine
