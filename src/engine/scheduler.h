#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/sequence.h"

namespace dstorch::engine {

/// Rows of prompts in one step: enough to keep the products busy where nobody waits for a token, fewer where somebody
/// does, so that a long prompt holds the others up by no more than the time of these.
struct StepLimits {
  int64_t prompt_rows = 256;
  int64_t shared_prompt_rows = 128;
  /// Of drafts: of one sequence, and of all together.
  int64_t draft_rows = 15;
  int64_t all_draft_rows = 32;
};

/// A sequence's part of a step.
struct StepShare {
  Sequence* sequence = nullptr;
  int64_t first = 0;   // the position of its first row
  int64_t count = 0;   // rows of tokens that it has
  int64_t drafts = 0;  // rows of those that may come after them

  [[nodiscard]] int64_t rows() const noexcept { return count + drafts; }
  /// They go on with an answer, to its end as it is now.
  [[nodiscard]] bool generates() const {
    return first >= sequence->prompt_length() && first + count == sequence->length();
  }
};

/// What goes through the model next, of sequences in the order in which they came: one row of each that generates, and
/// of the prompts as many rows as the limits say. The oldest prompt gets at least half of these, the others the rest in
/// equal parts, so that a short one is not held up by a long one before it.
std::vector<StepShare> plan_step(std::span<Sequence* const> running, const StepLimits& limits);

/// The same for a model that keeps nothing: all of each sequence, every time.
std::vector<StepShare> plan_whole(std::span<Sequence* const> running);

}  // namespace dstorch::engine
