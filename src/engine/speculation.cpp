// The engine's part in guessing answers ahead: which drafts go through in a step, and what wider steps cost.

#include <algorithm>

#include "engine/draft_rows.h"
#include "engine/engine.h"

namespace dstorch::engine {

int64_t Engine::add_drafts(std::span<StepShare> shares) {
  std::vector<Draft> drafts(shares.size());
  const auto most = speculates() ? admission_.draft_rows(running_) : 0;
  int64_t rows = 0;
  bool all_generate = true;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    rows += shares[i].count;
    all_generate = all_generate && shares[i].generates();
    if (most > 0 && shares[i].generates()) {
      drafts[i] = shares[i].sequence->draft(std::min(most, config_.step.draft_rows));
    }
  }
  const auto counts = share_draft_rows(drafts, rows, most, step_cost_);
  for (std::size_t i = 0; i < shares.size(); ++i) {
    rows += shares[i].drafts = counts[i];
    shares[i].sequence->try_drafts(std::span(drafts[i].tokens).first(static_cast<std::size_t>(counts[i])));
  }
  return all_generate ? rows : 0;
}

}  // namespace dstorch::engine
