#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace dstorch::node {

/// Threads for calls that wait, started when they are needed. libuv's own are few, and the host's.
class Workers {
 public:
  /// `most`: threads at once; further jobs wait for one.
  explicit Workers(std::size_t most) : most_(most) {}
  ~Workers() { close(); }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  /// Any thread. After `close` the job is thrown away.
  void run(std::function<void()> job);
  /// Waits for the jobs that run; those that have not begun are thrown away.
  void close();

 private:
  void work();

  const std::size_t most_;
  std::mutex mutex_;
  std::condition_variable news_;
  std::deque<std::function<void()>> jobs_;
  std::vector<std::thread> threads_;
  std::size_t idle_ = 0;
  bool closed_ = false;
};

}  // namespace dstorch::node
