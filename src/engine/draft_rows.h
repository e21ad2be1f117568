#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/sequence.h"
#include "engine/step_cost.h"

namespace dstorch::engine {

/// A wider step must make so much more of a plain one's tokens a second: less is lost in what was measured badly.
inline constexpr double kWorthOfGuesses = 1.05;

/// How many tokens of each draft go through in a step that has `rows` rows without them, at most `most` together: as
/// many as make the most tokens a second, by their chances and what wider steps cost. Drafts that are wanted whatever
/// they cost come first, and get equal parts of `most`.
std::vector<int64_t> share_draft_rows(std::span<const Draft> drafts, int64_t rows, int64_t most, const StepCost& cost);

}  // namespace dstorch::engine
