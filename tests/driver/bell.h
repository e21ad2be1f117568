#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
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

/// Polls an answer whenever it tells of news, until its end; how often it told. Sleeps for ever if some news are not
/// told.
template <typename Pending>
int poll_when_told(Pending& pending) {
  const auto bell = std::make_shared<Bell>();  // the last news may be told after the end
  pending.notify([bell, rope = bell->rope()] { rope(); });
  int rung = 0;
  do {
    bell->wait_for_more_than(rung);
    rung = bell->rung();
  } while (!pending.poll());
  return rung;
}

}  // namespace dstorch::test
