#include "ops/fork.h"

#include <omp.h>
#include <pthread.h>

namespace dstorch::ops {

void keep_forks_working() {
  // Only the thread that forks goes on in the child, so that only its threads need to go. Within a parallel region
  // nothing is done, and nothing can be.
  [[maybe_unused]] static const int registered =
      ::pthread_atfork([] { omp_pause_resource_all(omp_pause_soft); }, nullptr, nullptr);
}

}  // namespace dstorch::ops
