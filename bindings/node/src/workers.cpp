#include "workers.h"

#include <utility>

namespace dstorch::node {

void Workers::run(std::function<void()> job) {
  const std::lock_guard lock(mutex_);
  if (closed_) {
    return;
  }
  jobs_.push_back(std::move(job));
  if (idle_ < jobs_.size() && threads_.size() < most_) {
    threads_.emplace_back([this] { work(); });
  }
  news_.notify_one();
}

void Workers::close() {
  std::deque<std::function<void()>> never_begun;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    never_begun.swap(jobs_);
  }
  news_.notify_all();
  for (auto& thread : threads_) {
    thread.join();
  }
  threads_.clear();
}

void Workers::work() {
  std::unique_lock lock(mutex_);
  while (!closed_) {
    if (jobs_.empty()) {
      ++idle_;
      news_.wait(lock);
      --idle_;
      continue;
    }
    {
      const auto job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job();
    }
    lock.lock();
  }
}

}  // namespace dstorch::node
