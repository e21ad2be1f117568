#include "engine/guesses.h"

namespace dstorch::engine {

/// Classes of looked-up guesses: 2, 3, 4 to 7, and 8 or more tokens in common.
std::size_t Guesses::class_of_match(int64_t matched) {
  if (matched >= 8) {
    return 3;
  }
  return matched >= 4 ? 2 : matched >= 3 ? 1 : 0;
}

std::size_t Guesses::class_of_confidence(double confidence) {
  if (confidence >= 0.85) {
    return 3;
  }
  return confidence >= 0.6 ? 2 : confidence >= 0.3 ? 1 : 0;
}

void Guesses::forget() {
  guess_.clear();
  acceptance_ = nullptr;
}

Draft Guesses::weighed(Acceptance& acceptance, bool always) {
  acceptance_ = &acceptance;
  Draft draft;
  draft.always = always;
  double chance = 1;
  for (const auto& token : guess_) {
    chance *= acceptance.chance(token.of_class);
    draft.tokens.push_back(token.id);
    draft.chances.push_back(chance);
  }
  return draft;
}

Draft Guesses::of_model(std::span<const int64_t> tokens, std::span<const double> confidences) {
  forget();
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    guess_.push_back({tokens[i], class_of_confidence(confidences[i])});
  }
  return weighed(by_model_, asks_model_always());
}

// Guesses that were not tried in the model are compared with the answer too, so that they are learned from as well.
void Guesses::learn(std::span<const int64_t> tokens, int64_t drafted) {
  drafted_ += drafted;
  if (acceptance_ != &by_model_) {
    by_model_.fade();
  }
  for (std::size_t i = 0; i < std::min(tokens.size(), guess_.size()); ++i) {
    const bool came_true = tokens[i] == guess_[i].id;
    acceptance_->learn(guess_[i].of_class, came_true);
    if (!came_true) {
      break;
    }
    accepted_ += static_cast<int64_t>(i) < drafted ? 1 : 0;
  }
}

}  // namespace dstorch::engine
