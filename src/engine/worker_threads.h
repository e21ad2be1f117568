#pragma once

#include "ops/cpu/threads.h"

namespace dstorch::engine {

class WorkerThreads {
 public:
  explicit WorkerThreads(int threads) { ops::set_num_threads(threads); }
};

}  // namespace dstorch::engine
