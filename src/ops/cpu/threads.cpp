#include "ops/cpu/threads.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace dstorch::ops {
namespace {

std::atomic<int>& thread_setting() noexcept {
  static std::atomic<int> threads{cpu::available_processors()};
  return threads;
}

}  // namespace

void set_num_threads(int threads) noexcept { thread_setting().store(std::max(1, threads), std::memory_order_relaxed); }

int num_threads() noexcept { return thread_setting().load(std::memory_order_relaxed); }

int most_threads() noexcept {
  constexpr int kAnywhere = 64;
  return std::max(kAnywhere, 2 * cpu::available_processors());
}

namespace cpu {

ThreadPool& default_pool() {
  // One for each number that was ever set, and made anew in a child. They are never taken down: somebody may be using
  // them, and a process that ends does not wait for its threads.
  static auto& mutex = *new std::mutex;
  static auto& pools = *new std::map<std::pair<int, int>, std::unique_ptr<ThreadPool>>;
  thread_local ThreadPool* last = nullptr;
  thread_local std::pair<int, int> last_key{0, 0};
  if (const auto key = std::pair(num_threads(), forks_so_far()); key != last_key) {
    const std::lock_guard lock(mutex);
    auto& pool = pools[key];
    if (pool == nullptr) {
      pool = std::make_unique<ThreadPool>(key.first);
    }
    last = pool.get();
    last_key = key;
  }
  return *last;
}

}  // namespace cpu
}  // namespace dstorch::ops
