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

/// The guesses of one answer: makes them, and learns how often they come true. One thread at a time.
class Guesses {
 public:
  explicit Guesses(Speculation speculation) : speculation_(speculation) {}

  /// Guesses at most `most` tokens after `tokens` (prompt and answer) by looking for an earlier place with the same
  /// last tokens. `plausible(tokens)` returns how many of them could come at all; the rest is left out.
  template <typename Plausible>
  [[nodiscard]] Draft look_up(std::span<const int64_t> tokens, int64_t most, const Plausible& plausible) {
    forget();
    if (most < 1 || (speculation_ != Speculation::automatic && speculation_ != Speculation::lookup)) {
      return {};
    }
    auto [guess, matched] = lookup_.guess(tokens, most);
    guess.resize(static_cast<std::size_t>(plausible(std::span<const int64_t>(guess))));
    for (const auto token : guess) {
      // If the tokens before it come true, the two places have one more token in common.
      guess_.push_back({token, class_of_match(matched++)});
    }
    return weighed(by_lookup_, speculation_ == Speculation::lookup);
  }

  /// Whether the draft model may be asked.
  [[nodiscard]] bool asks_model() const noexcept {
    return speculation_ == Speculation::automatic || speculation_ == Speculation::draft_model;
  }
  /// Whether the draft model is asked even where that is expected to be slower.
  [[nodiscard]] bool asks_model_always() const noexcept { return speculation_ == Speculation::draft_model; }
  /// The probability that the draft model's next guess comes true: before it is asked, and once its own probability for
  /// the guess, `confidence`, is known.
  [[nodiscard]] double chance_of_model() const { return by_model_.chance(); }
  [[nodiscard]] double chance_of_model(double confidence) const {
    return by_model_.chance(class_of_confidence(confidence));
  }
  /// Takes the draft model's guess and its probabilities instead of the one that was looked up.
  [[nodiscard]] Draft of_model(std::span<const int64_t> tokens, std::span<const double> confidences);

  /// Learns from the tokens that came after the text of the last guess, of which `drafted` tokens went through the
  /// model.
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
  Acceptance* acceptance_ = nullptr;  // the one that the guess counts in
  int64_t drafted_ = 0;
  int64_t accepted_ = 0;
};

}  // namespace dstorch::engine
