#include "engine/guesses.h"

#include <algorithm>

namespace dstorch::engine {

Draft Guesses::weighed() const {
  Draft draft;
  draft.always = speculation_ == Speculation::lookup;
  double chance = 1;
  for (const auto token : guess_.tokens) {
    // Where the tokens before it come, the two places have these in common too.
    chance *= acceptance_.chance(guess_.matched + static_cast<int64_t>(draft.tokens.size()));
    draft.tokens.push_back(token);
    draft.chances.push_back(chance);
  }
  return draft;
}

// A guess that did not go through the model is compared all the same: what is not tried is learned from too.
void Guesses::learn(std::span<const int64_t> tokens, int64_t drafted) {
  drafted_ += drafted;
  for (std::size_t i = 0; i < std::min(tokens.size(), guess_.tokens.size()); ++i) {
    const bool came_true = tokens[i] == guess_.tokens[i];
    acceptance_.learn(guess_.matched + static_cast<int64_t>(i), came_true);
    if (!came_true) {
      break;
    }
    accepted_ += static_cast<int64_t>(i) < drafted ? 1 : 0;
  }
}

}  // namespace dstorch::engine
