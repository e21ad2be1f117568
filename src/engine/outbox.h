#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "dstorch/generation.h"

namespace dstorch::engine {

/// A token of the answer, with the text that became final with it.
struct TokenMade {
  int64_t token = 0;
  std::string text;
  std::optional<TokenLogprob> logprob;
  /// Seconds since the request was made.
  double seconds = 0;
};

/// How a generation ended.
struct Ending {
  FinishReason reason = FinishReason::length;
  std::optional<std::string> stop_sequence;
  /// Text that had been held back until the end.
  std::string text;
  Timings timings;
};

/// Carries tokens, errors and the end of one generation from the worker to whoever waits for it, and cancellations the
/// other way. Thread-safe. Both sides hold a reference.
class Outbox {
 public:
  /// `cancel`: the caller's own token, if there is one.
  explicit Outbox(std::optional<CancelToken> cancel) : cancel_(std::move(cancel)) {}

  // The worker's side. After `end` or `fail` everything else is ignored.
  /// `tokens` tokens of the prompt were found in the prefix cache.
  void found(int64_t tokens);
  /// So far `drafted` tokens of the answer were guessed and tried, of which `accepted` came true.
  void speculated(int64_t drafted, int64_t accepted);
  void push(TokenMade made);
  void end(Ending ending);
  void fail(std::exception_ptr error) noexcept;

  // The waiting side.
  struct News {
    std::deque<TokenMade> made;
    std::optional<Ending> ending;
    std::exception_ptr error;
    int64_t cached_tokens = 0;
    int64_t drafted_tokens = 0;
    int64_t accepted_tokens = 0;
  };
  /// Returns what came since the last call. Waits until there is something, the end or a cancellation, at most until
  /// `until`.
  News take(std::chrono::steady_clock::time_point until);

  /// From now on `on_news` is called each time there is something for `take`, and at once if there already is. It is
  /// called with no lock held, on the thread that brought the news.
  void notify(std::function<void()> on_news);

  /// Asks the worker to give the request up.
  void cancel() noexcept;
  [[nodiscard]] bool cancelled() const noexcept;
  /// Whether the end or an error has come.
  [[nodiscard]] bool closed() const;

 private:
  void tell(std::unique_lock<std::mutex> lock) noexcept;

  std::optional<CancelToken> cancel_;
  std::atomic<bool> cancelled_{false};
  mutable std::mutex mutex_;
  std::condition_variable news_;
  std::shared_ptr<const std::function<void()>> on_news_;
  std::deque<TokenMade> made_;
  std::optional<Ending> ending_;
  std::exception_ptr error_;
  int64_t cached_tokens_ = 0;
  int64_t drafted_tokens_ = 0;
  int64_t accepted_tokens_ = 0;
  bool closed_ = false;
};

}  // namespace dstorch::engine
