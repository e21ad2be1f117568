#include "engine/outbox.h"

#include <utility>

namespace dstorch::engine {
namespace {

/// A token of the caller's cannot wake anybody: whoever waits looks at it this often.
constexpr std::chrono::milliseconds kLook{5};

}  // namespace

void Outbox::push(TokenMade made) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) {
      return;
    }
    made_.push_back(std::move(made));
  }
  news_.notify_one();
}

void Outbox::end(Ending ending) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) {
      return;
    }
    ending_ = std::move(ending);
    closed_ = true;
  }
  news_.notify_one();
}

void Outbox::fail(std::exception_ptr error) noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) {
      return;
    }
    error_ = std::move(error);
    closed_ = true;
  }
  news_.notify_one();
}

Outbox::News Outbox::take(std::chrono::steady_clock::time_point until) {
  std::unique_lock lock(mutex_);
  const auto there = [&] { return !made_.empty() || closed_ || cancelled(); };
  while (!there() && std::chrono::steady_clock::now() < until) {
    const auto look = cancel_ ? std::min(until, std::chrono::steady_clock::now() + kLook) : until;
    if (look == std::chrono::steady_clock::time_point::max()) {
      news_.wait(lock);
    } else {
      news_.wait_until(lock, look);
    }
  }
  return {std::exchange(made_, {}), ending_, error_};
}

void Outbox::cancel() noexcept {
  {
    const std::lock_guard lock(mutex_);
    cancelled_.store(true, std::memory_order_relaxed);
  }
  news_.notify_all();
}

bool Outbox::cancelled() const noexcept {
  return cancelled_.load(std::memory_order_relaxed) || (cancel_ && cancel_->cancelled());
}

bool Outbox::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

}  // namespace dstorch::engine
