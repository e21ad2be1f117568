#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/sequence.h"
#include "engine/step_cost.h"

namespace dstorch::engine {

/// A step with guesses must be expected to make this many times the tokens per second of a step without: a smaller gain
/// could be an error of measurement.
inline constexpr double kWorthOfGuesses = 1.05;

/// How many tokens of each draft are tried in a step that has `rows` rows without them, at most `most` tokens in all.
/// Chosen to make the most tokens per second, given the drafts' probabilities and what wider steps cost. Drafts with
/// `always` set come first and get equal parts of `most`.
std::vector<int64_t> share_draft_rows(std::span<const Draft> drafts, int64_t rows, int64_t most, const StepCost& cost);

}  // namespace dstorch::engine
