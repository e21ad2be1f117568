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

/// A token that the worker made, with the text it let out.
struct TokenMade {
  int64_t token = 0;
  std::string text;
  std::optional<TokenLogprob> logprob;
  /// Since the request was made.
  double seconds = 0;
};

/// How a generation ended.
struct Ending {
  FinishReason reason = FinishReason::length;
  std::optional<std::string> stop_sequence;
  /// What had been held back until the end.
  std::string text;
  Timings timings;
};

/// What passes between the worker and whoever waits for a generation. Thread-safe; it outlives both.
class Outbox {
 public:
  /// `cancel`: the caller's own token, if there is one.
  explicit Outbox(std::optional<CancelToken> cancel) : cancel_(std::move(cancel)) {}

  // The worker's side. Nothing is taken after an end.
  /// So many tokens of the prompt were found in the cache.
  void found(int64_t tokens);
  /// So many tokens of the answer were guessed and tried by now, and so many of them came true.
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
  /// What came since the last call; waits for something, the end, a cancellation or `until`.
  News take(std::chrono::steady_clock::time_point until);

  /// Calls `on_news`, with no lock held and on whatever thread brings it, each time there is something for `take`; at
  /// once if there is now.
  void notify(std::function<void()> on_news);

  /// Asks the worker to let go of the request.
  void cancel() noexcept;
  [[nodiscard]] bool cancelled() const noexcept;
  /// Nothing more will come.
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
