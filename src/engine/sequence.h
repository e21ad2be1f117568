#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/draft.h"
#include "models/language_model.h"
#include "nn/adapter.h"
#include "nn/kv_pool.h"

namespace dstorch::engine {

class Guesses;

/// A request on its way through the model: the tokens that go in, and callbacks for what the model makes of them.
/// Everything is called on the engine's worker thread except where a function says otherwise.
class Sequence {
 public:
  /// What a request needs of a pass.
  enum class Wants {
    /// Once all tokens have gone through: the logits for the token after the last one and after each draft behind it.
    last_logits,
    /// The hidden states of all rows, pass by pass.
    hidden,
  };

  /// `capacity`: the most positions it will ever have, those of `tokens` included.
  Sequence(std::vector<int64_t> tokens, int64_t capacity);
  Sequence(const Sequence&) = delete;
  Sequence& operator=(const Sequence&) = delete;
  virtual ~Sequence() = default;

  [[nodiscard]] virtual Wants wants() const = 0;
  /// Whether `prepare` should be called.
  [[nodiscard]] virtual bool wants_preparation() const { return false; }
  /// Computes what `on_logits` will need while the model runs. Called on a second thread of the engine; it ends before
  /// `on_logits` begins.
  virtual void prepare() {}
  /// Guesses at most `most` tokens that may come next. Called when all tokens but the last have gone through the model.
  virtual Draft draft(int64_t /*most*/) { return {}; }
  /// The counter of guesses when the draft model may guess the next `count` (at least 1) tokens, else null. Called
  /// after `draft`.
  virtual Guesses* asks_model(int64_t /*count*/) { return nullptr; }
  /// Takes the draft model's guess and its probabilities. Returns the part of it that could come at all.
  virtual Draft model_draft(std::span<const int64_t> /*tokens*/, std::span<const double> /*confidences*/) { return {}; }
  /// Receives logits [rows, vocab] for the token after the last one and after each draft; may overwrite them. Called on
  /// any thread of the engine's pool, at the same time as other sequences' `on_logits`.
  virtual void on_logits(std::span<float> /*logits*/, int64_t /*rows*/) {}
  /// Receives hidden states [count, hidden] of the positions from `first` on.
  virtual void on_hidden(models::LanguageModel& /*model*/, const at::Tensor& /*hidden*/, int64_t /*first*/) {}
  /// The request ends because it was cancelled or the engine is being closed.
  virtual void on_cancelled() = 0;
  /// The request ends with an error. May be called where `on_logits` may.
  virtual void on_error(std::exception_ptr error) noexcept = 0;
  /// The keys and values of the first `positions` positions were found in the prefix cache and need not be computed.
  virtual void on_found(int64_t /*positions*/) {}
  /// Whether the request needs nothing more of the model.
  [[nodiscard]] virtual bool finished() const = 0;
  /// Hands results to whoever waits for them. Called after the step has released its memory, so that a caller who has
  /// the answer finds the memory free.
  virtual void deliver() = 0;
  /// Whether nobody wants the result any more. Any thread.
  [[nodiscard]] virtual bool cancelled() const noexcept = 0;

  [[nodiscard]] std::span<const int64_t> tokens() const noexcept { return tokens_; }
  [[nodiscard]] int64_t length() const noexcept { return static_cast<int64_t>(tokens_.size()); }
  [[nodiscard]] int64_t capacity() const noexcept { return capacity_; }
  /// How many tokens have gone through the model.
  [[nodiscard]] int64_t done() const noexcept { return done_; }
  [[nodiscard]] int64_t pending() const noexcept { return length() - done_; }
  void advance(int64_t count) noexcept { done_ += count; }
  /// How many tokens it began with.
  [[nodiscard]] int64_t prompt_length() const noexcept { return prompt_length_; }

  /// Sets the guessed tokens that go through the model behind the last token in the next pass.
  void try_drafts(std::span<const int64_t> tokens) {
    drafts_.assign(tokens.begin(), tokens.end());
    drafted_at_ = length();
  }
  [[nodiscard]] std::span<const int64_t> drafts() const noexcept { return drafts_; }
  /// How many of the drafts, from the first on, have come true since.
  [[nodiscard]] int64_t true_drafts() const noexcept;

  /// The adapter that its rows go through; may be null.
  std::shared_ptr<const nn::Adapter> adapter;
  std::optional<nn::SequencePages> pages;  // set while the sequence runs, for models that keep keys and values
  /// An earlier sequence that is reading the same beginning. This one waits until the other has read `positions`
  /// positions, which it can then take over.
  struct Ahead {
    std::shared_ptr<const Sequence> sequence;
    int64_t positions = 0;
  };
  std::optional<Ahead> ahead;

 protected:
  void add(int64_t token) { tokens_.push_back(token); }

 private:
  std::vector<int64_t> tokens_;
  int64_t capacity_;
  int64_t prompt_length_;
  int64_t done_ = 0;
  std::vector<int64_t> drafts_;
  int64_t drafted_at_ = 0;  // the position of the first one
};

}  // namespace dstorch::engine
