#include "ops/cpu/thread_pool.h"

#include <hwy/cache_control.h>
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <system_error>

#include "ops/cpu/threads.h"

namespace dstorch::ops::cpu {
namespace {

/// How long a thread looks for work, or for the end of it, before it sleeps: longer than what lies between two regions
/// of a token, much shorter than what the system gives to others meanwhile.
constexpr std::chrono::microseconds kSpin{30};

thread_local ThreadPool* used = nullptr;

std::atomic<int> forks{0};

void count_forks() noexcept {
  [[maybe_unused]] static const int registered =
      ::pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1, std::memory_order_relaxed); });
}

uint64_t range_of(int64_t begin, int64_t end) {
  return static_cast<uint64_t>(end) << 32 | static_cast<uint64_t>(begin);
}

/// Looks for a while; false: in vain.
template <class Ready>
bool spin_until(const Ready& ready) {
  constexpr int kLooks = 16;
  for (const auto until = std::chrono::steady_clock::now() + kSpin;;) {
    for (int i = 0; i < kLooks; ++i) {
      if (ready()) {
        return true;
      }
      hwy::Pause();
    }
    if (std::chrono::steady_clock::now() >= until) {
      return false;
    }
  }
}

/// Signals are the host program's: its own threads take them.
class NoSignals {
 public:
  NoSignals() noexcept {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &previous_);
  }
  ~NoSignals() { pthread_sigmask(SIG_SETMASK, &previous_, nullptr); }
  NoSignals(const NoSignals&) = delete;
  NoSignals& operator=(const NoSignals&) = delete;

 private:
  sigset_t previous_;
};

}  // namespace

int available_processors() noexcept {
  cpu_set_t set;
  CPU_ZERO(&set);
  const auto count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 0;
  return count > 0 ? count : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

int forks_so_far() noexcept { return forks.load(std::memory_order_relaxed); }

bool Chunks::next(int64_t& chunk) noexcept {
  if (next_ < end_) {
    chunk = next_++;
    return true;
  }
  if (pool_ == nullptr || !pool_->take_any(index_, part_, chunk)) {
    return false;
  }
  ++taken_;
  return true;
}

ThreadPool::ThreadPool(int threads) {
  count_forks();
  forks_ = forks_so_far();
  const auto wanted = threads > 0 ? threads : available_processors();
  parts_ = std::make_unique<Part[]>(static_cast<std::size_t>(wanted));
  workers_.reserve(static_cast<std::size_t>(wanted));
  const NoSignals guard;
  // A worker looks at threads_ only when it has been signalled.
  for (int i = 1; i < wanted; ++i) {
    try {
      workers_.emplace_back([this, i] { work(i); });
    } catch (const std::system_error&) {
      break;
    }
  }
  threads_ = 1 + static_cast<int>(workers_.size());
}

ThreadPool::~ThreadPool() {
  if (forks_ != forks_so_far()) {
    // Nobody is there to be waited for; what stands for them can only be left behind.
    struct Abandoned {
      std::unique_ptr<Beds> beds;
      std::vector<std::thread> workers;
    };
    static auto* const abandoned = std::make_unique<std::vector<Abandoned>>().release();
    abandoned->push_back({std::move(beds_), std::move(workers_)});
    return;
  }
  stop_.store(true);
  for (int i = 1; i < threads_; ++i) {
    parts_[static_cast<std::size_t>(i)].signal.fetch_add(1);
  }
  { const std::lock_guard lock(beds_->mutex); }
  beds_->wake.notify_all();
  for (auto& worker : workers_) {
    worker.join();
  }
}

void ThreadPool::run(std::initializer_list<Phase> phases) noexcept {
  const bool alone = threads_ == 1 || forks_ != forks_so_far() || busy_.exchange(true, std::memory_order_acquire);
  for (const auto& phase : phases) {
    if (phase.chunks == 0) {
      continue;
    }
    if (alone || phase.chunks == 1) {
      Chunks all(phase.chunks);
      phase.run(phase.context, {0, threads_}, all);
      continue;
    }
    publish(phase);
    take_part(0);
    wait_for_end();
  }
  if (!alone) {
    busy_.store(false, std::memory_order_release);
  }
}

/// Nobody has a chunk of the last phase any more, so nobody reads `phase_`.
void ThreadPool::publish(const Phase& phase) {
  phase_ = phase;
  unfinished_.store(phase.chunks, std::memory_order_relaxed);
  for (int i = threads_ - 1; i >= 0; --i) {
    auto& part = parts_[static_cast<std::size_t>(i)];
    part.range.store(range_of(phase.chunks * i / threads_, phase.chunks * (i + 1) / threads_),
                     std::memory_order_release);
    if (i > 0) {
      part.signal.store(part.signal.load(std::memory_order_relaxed) + 1);
    }
  }
  if (asleep_.load() > 0) {
    { const std::lock_guard lock(beds_->mutex); }
    beds_->wake.notify_all();
  }
}

/// Does chunks as long as there are any; false: there were none.
bool ThreadPool::take_part(int index) {
  int part = index;
  int64_t chunk = 0;
  if (!take_any(index, part, chunk)) {
    return false;
  }
  // While this thread has a chunk that is not counted as done, the phase stays what it is.
  Chunks chunks(*this, index, part, chunk);
  phase_.run(phase_.context, {index, threads_}, chunks);
  if (unfinished_.fetch_sub(chunks.taken_) == chunks.taken_ && caller_asleep_.load()) {
    { const std::lock_guard lock(beds_->mutex); }
    beds_->ended.notify_one();
  }
  return true;
}

void ThreadPool::wait_for_end() {
  const auto ended = [&] { return unfinished_.load() == 0; };
  if (spin_until(ended)) {
    return;
  }
  std::unique_lock lock(beds_->mutex);
  caller_asleep_.store(true);
  beds_->ended.wait(lock, ended);
  caller_asleep_.store(false);
}

void ThreadPool::work(int index) {
  for (uint32_t seen = 0;;) {
    seen = wait_for_signal(index, seen);
    if (stop_.load()) {
      return;
    }
    take_part(index);
  }
}

uint32_t ThreadPool::wait_for_signal(int index, uint32_t seen) {
  const auto& signal = parts_[static_cast<std::size_t>(index)].signal;
  const auto signalled = [&] { return signal.load() != seen; };
  if (!spin_until(signalled)) {
    std::unique_lock lock(beds_->mutex);
    asleep_.fetch_add(1);
    beds_->wake.wait(lock, signalled);
    asleep_.fetch_sub(1);
  }
  return signal.load();
}

/// A chunk of a worker's run: the first for itself, the last for others.
bool ThreadPool::take(int part, bool own, int64_t& chunk) noexcept {
  auto& range = parts_[static_cast<std::size_t>(part)].range;
  auto seen = range.load(std::memory_order_relaxed);
  for (;;) {
    const auto begin = static_cast<int64_t>(seen & 0xffffffffu);
    const auto end = static_cast<int64_t>(seen >> 32);
    if (begin >= end) {
      return false;
    }
    const auto rest = own ? range_of(begin + 1, end) : range_of(begin, end - 1);
    if (range.compare_exchange_weak(seen, rest, std::memory_order_acquire, std::memory_order_relaxed)) {
      chunk = own ? begin : end - 1;
      return true;
    }
  }
}

/// A chunk from run `part` on, around to the one before the worker's own. A run that was empty once is not looked at
/// again: in one phase it stays so.
bool ThreadPool::take_any(int index, int& part, int64_t& chunk) noexcept {
  for (;;) {
    if (take(part, part == index, chunk)) {
      return true;
    }
    const auto next = part + 1 < threads_ ? part + 1 : 0;
    if (next == index) {
      return false;
    }
    part = next;
  }
}

ThreadPool& ThreadPool::current() { return used != nullptr ? *used : default_pool(); }

ThreadPool::Use::Use(ThreadPool& pool) noexcept : previous_(used) { used = &pool; }

ThreadPool::Use::~Use() { used = previous_; }

}  // namespace dstorch::ops::cpu
