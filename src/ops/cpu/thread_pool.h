#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace dstorch::ops::cpu {

/// One thread of a region.
struct Worker {
  int index = 0;
  int count = 1;
};

class ThreadPool;

/// The chunks of a phase that one worker does.
class Chunks {
 public:
  /// The next for this worker; false: none is left. Each chunk of a phase is given to one worker, once: long runs of
  /// neighbours to the same one as long as the others keep up.
  bool next(int64_t& chunk) noexcept;

 private:
  friend class ThreadPool;
  explicit Chunks(int64_t count) noexcept : next_(0), end_(count) {}
  Chunks(ThreadPool& pool, int index, int part, int64_t first) noexcept
      : pool_(&pool), index_(index), part_(part), next_(first), end_(first + 1) {}

  ThreadPool* pool_ = nullptr;  // null: next_ to end_ is all there is
  int index_ = 0;
  int part_ = 0;  // whose run is being taken from
  int64_t next_;
  int64_t end_;
  int64_t taken_ = 1;  // with the pool
};

/// A step of a region: chunks 0 .. count in any order, on any threads. A worker that takes part calls the body once,
/// which must go through all that `Chunks` gives it and must not throw. Refers to the body.
struct Phase {
  Phase() = default;
  template <class Body>
  Phase(int64_t count, const Body& body)
      : chunks(count),
        run([](const void* of, Worker worker, Chunks& rest) { (*static_cast<const Body*>(of))(worker, rest); }),
        context(&body) {}

  int64_t chunks = 0;
  void (*run)(const void* context, Worker worker, Chunks& chunks) = nullptr;
  const void* context = nullptr;
};

/// Threads that do the phases of one region at a time, the caller among them. Nobody is waited for who has not begun:
/// a thread that the system keeps from running costs the others the one chunk it may have in hand.
/// Waiting threads look for work for some microseconds, then sleep. In a forked child, where the other threads are not,
/// the caller does all.
class ThreadPool {
 public:
  /// `threads` with the caller of a region; below 1: the processors this process may run on. Where the system refuses
  /// a thread there are fewer.
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  /// The calling thread's: the one that it `Use`s.
  static ThreadPool& current();

  int threads() const noexcept { return threads_; }

  /// Does the phases one after the other: all that one wrote is seen by the next. Where another region is under way
  /// in the pool, on the calling thread alone.
  void run(std::initializer_list<Phase> phases) noexcept;

  /// The kernels that this thread calls run on the pool while this lives.
  class Use {
   public:
    explicit Use(ThreadPool& pool) noexcept;
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    ThreadPool* previous_;
  };

 private:
  friend class Chunks;

  /// A worker's run of chunks, begin in the low half and end in the high one. It takes them from the front, others who
  /// have done theirs from the back. With it what tells the worker that there is something: one cache line.
  struct alignas(64) Part {
    std::atomic<uint64_t> range{0};
    std::atomic<uint32_t> signal{0};
  };

  /// Where threads sleep. A child leaves it as it is: whoever slept there does for ever.
  struct Beds {
    std::mutex mutex;
    std::condition_variable wake;
    std::condition_variable ended;
  };

  void work(int index);
  uint32_t wait_for_signal(int index, uint32_t seen);
  void publish(const Phase& phase);
  bool take_part(int index);
  void wait_for_end();
  bool take(int part, bool own, int64_t& chunk) noexcept;
  bool take_any(int index, int& part, int64_t& chunk) noexcept;

  int threads_ = 1;
  int forks_;
  std::unique_ptr<Part[]> parts_;
  std::unique_ptr<Beds> beds_ = std::make_unique<Beds>();
  std::vector<std::thread> workers_;
  std::atomic<bool> busy_{false};
  std::atomic<bool> stop_{false};
  Phase phase_;  // read by whoever took a chunk of it
  alignas(64) std::atomic<int64_t> unfinished_{0};
  alignas(64) std::atomic<int> asleep_{0};
  std::atomic<bool> caller_asleep_{false};
};

/// A contiguous share of [0, total) in multiples of `unit`, one of `count`, in order.
struct Range {
  int64_t begin = 0;
  int64_t end = 0;
};
inline Range share(int64_t total, int64_t unit, int64_t index, int64_t count) noexcept {
  const auto units = (total + unit - 1) / unit;
  const auto edge = [&](int64_t i) { return units * i / count * unit < total ? units * i / count * unit : total; };
  return {edge(index), edge(index + 1)};
}

/// The processors this process may run on.
int available_processors() noexcept;

/// How often this process is a child of one that had a pool.
int forks_so_far() noexcept;

/// Calls body(begin, end) for pieces of `unit` of [0, total), at most.
template <class Body>
void parallel_for(int64_t total, int64_t unit, const Body& body) {
  const auto piece = [&](Worker /*worker*/, Chunks& chunks) {
    for (int64_t chunk = 0; chunks.next(chunk);) {
      body(chunk * unit, chunk * unit + unit < total ? chunk * unit + unit : total);
    }
  };
  ThreadPool::current().run({{(total + unit - 1) / unit, piece}});
}

}  // namespace dstorch::ops::cpu
