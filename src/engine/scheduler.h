#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/sequence.h"

namespace dstorch::engine {

/// How many rows of prompts one step may have: `prompt_rows` when no sequence is generating, else `shared_prompt_rows`,
/// so that reading a long prompt delays the others' next token only by the time of these rows.
struct StepLimits {
  int64_t prompt_rows = 256;
  int64_t shared_prompt_rows = 128;
  /// How many rows of drafts a step may have: for one sequence, and in all.
  int64_t draft_rows = 15;
  int64_t all_draft_rows = 32;
};

/// A sequence's part of a step.
struct StepShare {
  Sequence* sequence = nullptr;
  int64_t first = 0;   // the position of its first row
  int64_t count = 0;   // rows of tokens that it has
  int64_t drafts = 0;  // rows of guessed tokens after those

  [[nodiscard]] int64_t rows() const noexcept { return count + drafts; }
  /// Whether these rows continue an answer and reach its present end.
  [[nodiscard]] bool generates() const {
    return first >= sequence->prompt_length() && first + count == sequence->length();
  }
};

/// Plans what goes through the model next. `running` is in the order of arrival. Each sequence that generates gets one
/// row; prompts get as many rows as the limits allow. The oldest prompt gets at least half of these and the others
/// equal parts of the rest, so that a short prompt is not held up by a long one before it.
std::vector<StepShare> plan_step(std::span<Sequence* const> running, const StepLimits& limits);

/// The same for a model that keeps no keys and values: every step takes all rows of each sequence.
std::vector<StepShare> plan_whole(std::span<Sequence* const> running);

}  // namespace dstorch::engine
