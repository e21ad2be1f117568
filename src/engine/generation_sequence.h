#pragma once

#include <chrono>
#include <memory>
#include <set>

#include "engine/outbox.h"
#include "engine/sampler.h"
#include "engine/sequence.h"
#include "engine/text_output.h"

namespace dstorch::engine {

/// A prompt that is continued, token by token.
class GenerationSequence : public Sequence {
 public:
  /// `max_tokens`, at least 1, decides instead of the options'.
  GenerationSequence(std::vector<int64_t> prompt, const GenerationOptions& options, int64_t max_tokens, uint64_t seed,
                     std::shared_ptr<const Tokenizer> tokenizer, std::set<int64_t> end_tokens,
                     std::shared_ptr<Outbox> outbox);

  [[nodiscard]] Wants wants() const override { return Wants::last_logits; }
  void on_logits(std::span<float> logits) override;
  void on_cancelled() override { end(FinishReason::cancelled); }
  void on_error(std::exception_ptr error) noexcept override { error_ = std::move(error); }
  [[nodiscard]] bool finished() const override { return ending_ || error_; }
  void deliver() override;
  [[nodiscard]] bool cancelled() const noexcept override { return outbox_->cancelled(); }

 private:
  using Clock = std::chrono::steady_clock;
  void end(FinishReason reason);

  Sampler sampler_;
  TextOutput text_;
  std::set<int64_t> end_tokens_;  // none when they are ignored
  std::shared_ptr<Outbox> outbox_;
  Clock::time_point start_ = Clock::now();
  Clock::time_point first_token_{};
  // Not delivered yet.
  std::optional<TokenMade> made_;
  std::optional<Ending> ending_;
  std::exception_ptr error_;
};

}  // namespace dstorch::engine
