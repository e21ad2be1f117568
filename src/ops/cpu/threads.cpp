#include "ops/cpu/threads.h"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <new>

#include "ops/cpu/fork.h"

namespace dstorch::ops {
namespace {

int initial_threads() noexcept {
  cpu::keep_forks_working();
  return std::max(1, omp_get_num_procs());  // respects the affinity mask
}

std::atomic<int>& thread_setting() noexcept {
  static std::atomic<int> threads{initial_threads()};
  return threads;
}

}  // namespace

void set_num_threads(int threads) noexcept { thread_setting().store(std::max(1, threads), std::memory_order_relaxed); }

int num_threads() noexcept { return thread_setting().load(std::memory_order_relaxed); }

int most_threads() noexcept {
  constexpr int kAnywhere = 64;
  return std::max(kAnywhere, 2 * omp_get_num_procs());
}

namespace cpu {
namespace {

constexpr std::align_val_t kAlignment{64};
constexpr std::size_t kKeptFloats = std::size_t{8} << 20;

}  // namespace

void Worker::barrier() const {
  if (count > 1) {
#pragma omp barrier
  }
}

Range share(int64_t total, int64_t unit, Worker worker) noexcept {
  const auto units = (total + unit - 1) / unit;
  const auto edge = [&](int64_t index) { return std::min(total, units * index / worker.count * unit); };
  return {edge(worker.index), edge(worker.index + 1)};
}

void run_parallel(int threads, void (*body)(const void* context, Worker worker), const void* context) {
  if (threads <= 1) {
    body(context, Worker{});
    return;
  }
#pragma omp parallel num_threads(threads)
  body(context, Worker{omp_get_thread_num(), omp_get_num_threads()});
}

Scratch& Scratch::of_this_thread() {
  thread_local Scratch scratch;
  return scratch;
}

float* Scratch::floats(std::size_t count) {
  if (count > capacity_) {
    data_.reset();
    capacity_ = 0;
    data_.reset(static_cast<float*>(::operator new[](count * sizeof(float), kAlignment)));
    capacity_ = count;
  }
  return data_.get();
}

void Scratch::trim() noexcept {
  if (capacity_ > kKeptFloats) {
    data_.reset();
    capacity_ = 0;
  }
}

void Scratch::Free::operator()(float* data) const noexcept { ::operator delete[](data, kAlignment); }

}  // namespace cpu
}  // namespace dstorch::ops
