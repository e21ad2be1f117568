#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace dstorch::ops {

/// How many threads the fused CPU kernels use, process-wide; at first the processors this process may run on. Values
/// below 1 count as 1. Results do not depend on it. Safe to call at any time; calls under way keep what they began
/// with.
void set_num_threads(int threads) noexcept;
int num_threads() noexcept;

/// More are refused where people ask for a number: they could only wait for each other.
int most_threads() noexcept;

namespace cpu {

/// One thread of a parallel region.
struct Worker {
  int index = 0;
  int count = 1;

  /// Waits for all workers of the region; everything they wrote before is visible after. All must call it.
  void barrier() const;
};

/// A contiguous share of [0, total) in multiples of `unit`, worker by worker in order.
struct Range {
  int64_t begin = 0;
  int64_t end = 0;
};
Range share(int64_t total, int64_t unit, Worker worker) noexcept;

/// Runs body(context, worker) on `threads` threads, the caller among them, and waits for all. `body` must not throw.
void run_parallel(int threads, void (*body)(const void* context, Worker worker), const void* context);

/// The same for any callable body(worker).
template <class Body>
void run_parallel(int threads, const Body& body) {
  run_parallel(
      threads, [](const void* context, Worker worker) { (*static_cast<const Body*>(context))(worker); }, &body);
}

/// Float scratch memory that a thread keeps between calls, so that steady work allocates nothing. Aligned to 64 bytes.
class Scratch {
 public:
  /// The calling thread's. At most one kernel call uses it at a time.
  static Scratch& of_this_thread();

  /// Room for `count` floats, contents undefined; invalidates what was handed out before. Throws std::bad_alloc.
  float* floats(std::size_t count);

  /// Gives back what is beyond an ordinary call's need.
  void trim() noexcept;

 private:
  struct Free {
    void operator()(float* data) const noexcept;
  };
  std::unique_ptr<float[], Free> data_;
  std::size_t capacity_ = 0;
};

}  // namespace cpu
}  // namespace dstorch::ops
