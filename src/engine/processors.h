#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <utility>

#include "dstorch/generation.h"
#include "engine/answer_constraint.h"

namespace dstorch::engine {

/// Changes the logits of one sequence before a token is drawn from them: repetition penalty, frequency and presence
/// penalties, logit bias, constraint, in this order. One thread at a time.
class Processors {
 public:
  explicit Processors(const GenerationOptions& options);

  /// Adds the answer's constraint. It is applied last, so nothing overrides it.
  void constrain(std::shared_ptr<AnswerConstraint> constraint) { constraint_ = std::move(constraint); }
  /// Counts `tokens` as seen in the prompt.
  void add_prompt(std::span<const int64_t> tokens);
  /// Whether `apply` does anything.
  [[nodiscard]] bool change_anything() const noexcept {
    return options_.repetition_penalty != 1 || options_.frequency_penalty != 0 || options_.presence_penalty != 0 ||
           !options_.logit_bias.empty() || constraint_;
  }
  /// Changes logits [vocab] in place. Throws LMError{invalid_argument} for a token or a bias outside the vocabulary.
  void apply(std::span<float> logits) const;
  /// Takes note that `token` was chosen.
  void accept(int64_t token);

 private:
  GenerationOptions options_;
  std::unordered_map<int64_t, int64_t> generated_;  // token -> times
  std::unordered_map<int64_t, int64_t> prompt_;
  std::shared_ptr<AnswerConstraint> constraint_;  // may be null
};

}  // namespace dstorch::engine
