#pragma once

#include <cstdint>
#include <span>

#include "dstorch/generation.h"
#include "engine/acceptance.h"
#include "engine/draft.h"
#include "engine/lookup_draft.h"

namespace dstorch::engine {

/// What one answer guesses of its next tokens, and what came of it. One thread at a time.
class Guesses {
 public:
  explicit Guesses(Speculation speculation) : speculation_(speculation) {}

  /// What may come after `tokens`, prompt and answer: at most `most`. Of these, `plausible(tokens)` says how many are
  /// worth a try.
  template <typename Plausible>
  [[nodiscard]] Draft draft(std::span<const int64_t> tokens, int64_t most, const Plausible& plausible) {
    guess_ = {};
    if (speculation_ == Speculation::off || most < 1) {
      return {};
    }
    guess_ = lookup_.guess(tokens, most);
    guess_.tokens.resize(static_cast<std::size_t>(plausible(std::span<const int64_t>(guess_.tokens))));
    return weighed();
  }

  /// These came after what the last draft was made for, `drafted` tokens of which went through the model.
  void learn(std::span<const int64_t> tokens, int64_t drafted);

  [[nodiscard]] int64_t drafted() const noexcept { return drafted_; }
  [[nodiscard]] int64_t accepted() const noexcept { return accepted_; }

 private:
  [[nodiscard]] Draft weighed() const;

  Speculation speculation_;
  LookupDraft lookup_;
  Acceptance acceptance_;
  LookupDraft::Guess guess_;
  int64_t drafted_ = 0;
  int64_t accepted_ = 0;
};

}  // namespace dstorch::engine
