#include "engine/outbox.h"

#include <utility>

namespace dstorch::engine {
namespace {

/// A CancelToken cannot wake a waiting thread, so that thread looks at it this often.
constexpr std::chrono::milliseconds kLook{5};

}  // namespace

void Outbox::found(int64_t tokens) {
  const std::lock_guard lock(mutex_);
  cached_tokens_ = tokens;
}

void Outbox::speculated(int64_t drafted, int64_t accepted) {
  const std::lock_guard lock(mutex_);
  drafted_tokens_ = drafted;
  accepted_tokens_ = accepted;
}

void Outbox::push(TokenMade made) {
  std::unique_lock lock(mutex_);
  if (closed_) {
    return;
  }
  made_.push_back(std::move(made));
  tell(std::move(lock));
}

void Outbox::end(Ending ending) {
  std::unique_lock lock(mutex_);
  if (closed_) {
    return;
  }
  ending_ = std::move(ending);
  closed_ = true;
  tell(std::move(lock));
}

void Outbox::fail(std::exception_ptr error) noexcept {
  std::unique_lock lock(mutex_);
  if (closed_) {
    return;
  }
  error_ = std::move(error);
  closed_ = true;
  tell(std::move(lock));
}

void Outbox::notify(std::function<void()> on_news) {
  std::unique_lock lock(mutex_);
  on_news_ = on_news ? std::make_shared<const std::function<void()>>(std::move(on_news)) : nullptr;
  if (!made_.empty() || closed_ || cancelled()) {
    tell(std::move(lock));
  }
}

void Outbox::tell(std::unique_lock<std::mutex> lock) noexcept {
  const auto on_news = on_news_;
  lock.unlock();
  news_.notify_all();
  if (on_news) {
    (*on_news)();
  }
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
  return {std::exchange(made_, {}), ending_, error_, cached_tokens_, drafted_tokens_, accepted_tokens_};
}

void Outbox::cancel() noexcept {
  std::unique_lock lock(mutex_);
  cancelled_.store(true, std::memory_order_relaxed);
  tell(std::move(lock));
}

bool Outbox::cancelled() const noexcept {
  return cancelled_.load(std::memory_order_relaxed) || (cancel_ && cancel_->cancelled());
}

bool Outbox::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

}  // namespace dstorch::engine
