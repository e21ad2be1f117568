#pragma once

#include <functional>
#include <memory>
#include <span>

#include "dstorch/generation.h"
#include "engine/outbox.h"

namespace dstorch {

/// What of a generation has reached the thread that waits for it.
class PendingGeneration::State {
 public:
  State(std::shared_ptr<engine::Outbox> outbox, TokenCallback on_token, int64_t prompt_tokens, uint64_t seed);
  /// An answer that is there already.
  explicit State(GenerationResult result, TokenCallback on_token);
  ~State();
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  GenerationResult wait();
  bool poll();
  void notify(std::function<void()> on_news) { outbox_->notify(std::move(on_news)); }
  void cancel() const noexcept { outbox_->cancel(); }

 private:
  using Time = std::chrono::steady_clock::time_point;
  void receive(Time until);
  void take_in(engine::TokenMade& made);
  void finish(engine::Ending& ending);
  [[nodiscard]] bool release(const std::string& text);
  void end_as_cancelled();

  std::shared_ptr<engine::Outbox> outbox_;
  TokenCallback on_token_;
  GenerationResult result_;
  std::exception_ptr error_;
  Time start_ = std::chrono::steady_clock::now();
  bool ended_ = false;
};

}  // namespace dstorch
