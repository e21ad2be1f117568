#pragma once

#include "ops/cpu/thread_pool.h"

namespace dstorch::ops {

/// How many threads the fused CPU kernels use where the calling thread uses no pool, process-wide; at first the
/// processors this process may run on. Values below 1 count as 1. Results do not depend on it. Safe to call at any
/// time; calls under way keep what they began with.
void set_num_threads(int threads) noexcept;
int num_threads() noexcept;

/// More are refused where people ask for a number: they could only wait for each other.
int most_threads() noexcept;

namespace cpu {

/// The process's pool of so many threads.
ThreadPool& default_pool();

}  // namespace cpu
}  // namespace dstorch::ops
