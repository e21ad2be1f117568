// The threads of OpenMP that LibTorch takes within a model's passes.
#include "ops/pass_threads.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <omp.h>

#include <thread>

namespace dstorch::ops {
namespace {

/// What LibTorch has after its first operation in a thread, which sets the number anew.
int threads_of_libtorch() {
  at::relu(at::ones({1 << 20}));
  return at::get_num_threads();
}

TEST(PassThreads, LibTorchIsAloneFromTheFirstOperationOfAThread) {
  std::thread([] {
    const PassThreads threads(3);
    EXPECT_EQ(threads_of_libtorch(), 1);
    {
      const LibTorchThreads two(2);
      EXPECT_EQ(threads_of_libtorch(), 2);
    }
    EXPECT_EQ(threads_of_libtorch(), 1);
  }).join();
}

TEST(PassThreads, LeaveTheThreadAsItWas) {
  std::thread([] {
    at::get_num_threads();
    omp_set_num_threads(5);
    { const PassThreads threads(3); }
    EXPECT_EQ(omp_get_max_threads(), 5);
  }).join();
}

}  // namespace
}  // namespace dstorch::ops
