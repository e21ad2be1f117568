#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>

namespace dstorch::test {

/// Counts news, for whoever sleeps until there are some.
class Bell {
 public:
  std::function<void()> rope() {
    return [this] {
      const std::lock_guard lock(mutex_);
      ++rung_;
      news_.notify_all();
    };
  }
  void wait_for_more_than(int count) {
    std::unique_lock lock(mutex_);
    news_.wait(lock, [&] { return rung_ > count; });
  }
  int rung() {
    const std::lock_guard lock(mutex_);
    return rung_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable news_;
  int rung_ = 0;
};

}  // namespace dstorch::test
