#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "dstorch/generation.h"
#include "engine/acceptance.h"
#include "engine/draft.h"
#include "engine/lookup_draft.h"

namespace dstorch::engine {

/// What one answer guesses of its next tokens, and what came of it. One thread at a time.
class Guesses {
 public:
  explicit Guesses(Speculation speculation) : speculation_(speculation) {}

  /// What may come after `tokens`, prompt and answer, by what stands in them: at most `most`. Of these,
  /// `plausible(tokens)` says how many are worth a try.
  template <typename Plausible>
  [[nodiscard]] Draft look_up(std::span<const int64_t> tokens, int64_t most, const Plausible& plausible) {
    forget();
    if (most < 1 || (speculation_ != Speculation::automatic && speculation_ != Speculation::lookup)) {
      return {};
    }
    auto [guess, matched] = lookup_.guess(tokens, most);
    guess.resize(static_cast<std::size_t>(plausible(std::span<const int64_t>(guess))));
    for (const auto token : guess) {
      // Where the tokens before it come, the two places have these in common too.
      guess_.push_back({token, class_of_match(matched++)});
    }
    return weighed(by_lookup_, speculation_ == Speculation::lookup);
  }

  /// Whether a model may be asked.
  [[nodiscard]] bool asks_model() const noexcept {
    return speculation_ == Speculation::automatic || speculation_ == Speculation::draft_model;
  }
  /// Whatever that costs.
  [[nodiscard]] bool asks_model_always() const noexcept { return speculation_ == Speculation::draft_model; }
  /// That what a model guesses comes true, before it is asked and by the probability that it gives.
  [[nodiscard]] double chance_of_model() const { return by_model_.chance(); }
  [[nodiscard]] double chance_of_model(double confidence) const {
    return by_model_.chance(class_of_confidence(confidence));
  }
  /// What a model guesses, with the probabilities that it gives, instead of what was looked up.
  [[nodiscard]] Draft of_model(std::span<const int64_t> tokens, std::span<const double> confidences);

  /// These came after what the last draft was made for, `drafted` tokens of which went through the model.
  void learn(std::span<const int64_t> tokens, int64_t drafted);

  [[nodiscard]] int64_t drafted() const noexcept { return drafted_; }
  [[nodiscard]] int64_t accepted() const noexcept { return accepted_; }

 private:
  struct Token {
    int64_t id;
    std::size_t of_class;
  };
  static std::size_t class_of_match(int64_t matched);
  static std::size_t class_of_confidence(double confidence);
  void forget();
  [[nodiscard]] Draft weighed(Acceptance& acceptance, bool always);

  Speculation speculation_;
  LookupDraft lookup_;
  Acceptance by_lookup_{{{{1, 4}, {2, 4}, {2.8, 4}, {3.4, 4}}}};
  Acceptance by_model_{{{{0.8, 4}, {1.6, 4}, {2.6, 4}, {3.6, 4}}}};
  std::vector<Token> guess_;
  Acceptance* acceptance_ = nullptr;  // of the guess
  int64_t drafted_ = 0;
  int64_t accepted_ = 0;
};

}  // namespace dstorch::engine
