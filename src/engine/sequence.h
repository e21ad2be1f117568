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

/// A request on its way through the model: tokens that are given, and what is done with what the model makes of them.
/// The worker's thread alone, but for `cancelled` and `on_logits`.
class Sequence {
 public:
  /// What a request wants to see of a pass.
  enum class Wants {
    /// The logits for the token after the last one, once all tokens have gone through; and of the drafts behind it.
    last_logits,
    /// The hidden states of all rows, as they come.
    hidden,
  };

  /// `capacity`: the most positions it will have, those of `tokens` included.
  Sequence(std::vector<int64_t> tokens, int64_t capacity);
  Sequence(const Sequence&) = delete;
  Sequence& operator=(const Sequence&) = delete;
  virtual ~Sequence() = default;

  [[nodiscard]] virtual Wants wants() const = 0;
  /// Whether `prepare` has something to do.
  [[nodiscard]] virtual bool wants_preparation() const { return false; }
  /// What `on_logits` will need, done while the model is at work. On a thread of the worker's, before `on_logits`.
  virtual void prepare() {}
  /// What may come next, at most `most` tokens, once all there are have gone through but what was made last.
  virtual Draft draft(int64_t /*most*/) { return {}; }
  /// Who keeps count of guesses, where a model may guess `count` tokens, at least 1, of what comes next; else null.
  /// After `draft`.
  virtual Guesses* asks_model(int64_t /*count*/) { return nullptr; }
  /// What it guessed, as far as it can come.
  virtual Draft model_draft(std::span<const int64_t> /*tokens*/, std::span<const double> /*confidences*/) { return {}; }
  /// logits [rows, vocab], may be overwritten: for the token after the last one, and for that after each of the drafts.
  /// On one of the threads of the worker's pool, beside others' `on_logits`.
  virtual void on_logits(std::span<float> /*logits*/, int64_t /*rows*/) {}
  /// hidden [count, hidden] of the positions from `first` on.
  virtual void on_hidden(models::LanguageModel& /*model*/, const at::Tensor& /*hidden*/, int64_t /*first*/) {}
  /// The end, because it was cancelled or the engine is closed.
  virtual void on_cancelled() = 0;
  /// The end, by an error.
  virtual void on_error(std::exception_ptr error) noexcept = 0;
  /// So many of its first positions need not go through the model: their keys and values were found.
  virtual void on_found(int64_t /*positions*/) {}
  /// Nothing more is wanted of the model.
  [[nodiscard]] virtual bool finished() const = 0;
  /// Hands what came of it to whoever waits. Called when nothing of the step is held any more, so that whoever has an
  /// answer finds the memory of the call given back.
  virtual void deliver() = 0;
  /// Nobody wants the result any more. Any thread.
  [[nodiscard]] virtual bool cancelled() const noexcept = 0;

  [[nodiscard]] std::span<const int64_t> tokens() const noexcept { return tokens_; }
  [[nodiscard]] int64_t length() const noexcept { return static_cast<int64_t>(tokens_.size()); }
  [[nodiscard]] int64_t capacity() const noexcept { return capacity_; }
  /// Tokens that have gone through the model.
  [[nodiscard]] int64_t done() const noexcept { return done_; }
  [[nodiscard]] int64_t pending() const noexcept { return length() - done_; }
  void advance(int64_t count) noexcept { done_ += count; }
  /// Tokens that were given when it began.
  [[nodiscard]] int64_t prompt_length() const noexcept { return prompt_length_; }

  /// These go through the model behind the last token, each as if it were what comes there.
  void try_drafts(std::span<const int64_t> tokens) {
    drafts_.assign(tokens.begin(), tokens.end());
    drafted_at_ = length();
  }
  [[nodiscard]] std::span<const int64_t> drafts() const noexcept { return drafts_; }
  /// So many of the drafts have come since, each where it was tried.
  [[nodiscard]] int64_t true_drafts() const noexcept;

  /// What changes the model for its rows; may be null.
  std::shared_ptr<const nn::Adapter> adapter;
  std::optional<nn::SequencePages> pages;  // while it runs, with a model that keeps keys and values
  /// Another that began earlier and reads the same beginning: this one waits until so much of it is there to be found.
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
