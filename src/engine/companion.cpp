#include "engine/companion.h"

#include <utility>

namespace dstorch::engine {

Companion::~Companion() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  news_.notify_all();
  if (thread_.joinable()) {
    thread_.join();
  }
}

Companion::Job::~Job() {
  if (owner_ != nullptr) {
    std::unique_lock lock(owner_->mutex_);
    owner_->news_.wait(lock, [this] { return !owner_->job_; });
  }
}

Companion::Job Companion::start(std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    job_ = std::move(job);
  }
  if (!thread_.joinable()) {
    thread_ = std::thread([this] { work(); });
  }
  news_.notify_all();
  return Job(this);
}

void Companion::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    news_.wait(lock, [this] { return closing_ || job_; });
    if (!job_) {
      return;
    }
    const auto job = job_;  // `job_` stays until it is done
    lock.unlock();
    job();
    lock.lock();
    job_ = nullptr;
    news_.notify_all();
  }
}

}  // namespace dstorch::engine
