#pragma once

#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <set>
#include <vector>

#include "engine/answer_constraint.h"
#include "engine/guesses.h"
#include "engine/outbox.h"
#include "engine/sampler.h"
#include "engine/sequence.h"
#include "engine/text_output.h"

namespace dstorch::engine {

/// A request for an answer: its prompt is continued token by token. Threads as Sequence.
class GenerationSequence : public Sequence {
 public:
  /// `max_tokens`, at least 1, takes the place of the one in `options`. `constraint` is made from the one in `options`
  /// for that many tokens and needs a tokenizer; may be null. Tokens that it forces at the beginning are taken here, so
  /// the sequence may be finished already.
  GenerationSequence(std::vector<int64_t> prompt, const GenerationOptions& options, int64_t max_tokens, uint64_t seed,
                     std::shared_ptr<const Tokenizer> tokenizer, std::set<int64_t> end_tokens,
                     std::shared_ptr<Outbox> outbox, std::shared_ptr<AnswerConstraint> constraint = nullptr);

  [[nodiscard]] Wants wants() const override { return Wants::last_logits; }
  [[nodiscard]] bool wants_preparation() const override {
    return constraint_ && (constraint_->needs_preparation() || !drafts().empty());
  }
  void prepare() override { constraint_->prepare(drafts()); }
  Draft draft(int64_t most) override;
  Guesses* asks_model(int64_t count) override {
    return guesses_.asks_model() && room_to_guess(count) == count ? &guesses_ : nullptr;
  }
  Draft model_draft(std::span<const int64_t> tokens, std::span<const double> confidences) override;
  void on_logits(std::span<float> logits, int64_t rows) override;
  void on_found(int64_t positions) override { outbox_->found(std::min(positions, prompt_length())); }
  void on_cancelled() override { end(FinishReason::cancelled); }
  void on_error(std::exception_ptr error) noexcept override { error_ = std::move(error); }
  [[nodiscard]] bool finished() const override { return ending_ || error_; }
  void deliver() override;
  [[nodiscard]] bool cancelled() const noexcept override { return outbox_->cancelled(); }

 private:
  using Clock = std::chrono::steady_clock;
  void draw(std::span<float> logits);
  void take(int64_t token);
  [[nodiscard]] int64_t plausible(std::span<const int64_t> tokens);
  [[nodiscard]] int64_t room_to_guess(int64_t most) const;
  void jump_ahead();
  void end(FinishReason reason);

  Sampler sampler_;
  TextOutput text_;
  std::set<int64_t> end_tokens_;  // empty when they are ignored
  std::shared_ptr<Outbox> outbox_;
  std::shared_ptr<AnswerConstraint> constraint_;
  bool asks_always_;            // the model is asked even for forced tokens: their log-probabilities are wanted
  std::deque<int64_t> forced_;  // tokens that come next, one for each time the model is asked
  Guesses guesses_;
  Clock::time_point start_ = Clock::now();
  Clock::time_point first_token_{};
  // What `deliver` has not handed out yet.
  std::vector<TokenMade> made_;
  std::optional<Ending> ending_;
  std::exception_ptr error_;
};

}  // namespace dstorch::engine
