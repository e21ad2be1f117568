#include "engine/draft_rows.h"

#include <algorithm>

namespace dstorch::engine {
namespace {

/// One token of a draft.
struct Row {
  std::size_t draft;
  double chance;
};

}  // namespace

std::vector<int64_t> share_draft_rows(std::span<const Draft> drafts, int64_t rows, int64_t most, const StepCost& cost) {
  std::vector<int64_t> counts(drafts.size(), 0);
  if (std::all_of(drafts.begin(), drafts.end(), [](const Draft& draft) { return draft.tokens.empty(); })) {
    return counts;
  }
  std::vector<Row> weighed;
  bool given = true;
  for (std::size_t depth = 0; given && most > 0; ++depth) {
    given = false;
    for (std::size_t i = 0; i < drafts.size() && most > 0; ++i) {
      if (drafts[i].always && depth < drafts[i].tokens.size()) {
        ++counts[i];
        ++rows;
        --most;
        given = true;
      }
    }
  }
  for (std::size_t i = 0; i < drafts.size(); ++i) {
    for (std::size_t depth = 0; !drafts[i].always && depth < drafts[i].tokens.size(); ++depth) {
      weighed.push_back({i, drafts[i].chances[depth]});
    }
  }
  // Within a draft probabilities only fall, so that no token is chosen before the one that it follows.
  std::stable_sort(weighed.begin(), weighed.end(), [](const Row& a, const Row& b) { return a.chance > b.chance; });
  auto made = static_cast<double>(rows);
  auto best = kWorthOfGuesses * made / cost.of(rows);
  std::size_t taken = 0;
  for (std::size_t i = 0; i < std::min(weighed.size(), static_cast<std::size_t>(most)); ++i) {
    made += weighed[i].chance;
    const auto speed = made / cost.of(rows + static_cast<int64_t>(i) + 1);
    if (speed > best) {
      best = speed;
      taken = i + 1;
    }
  }
  for (std::size_t i = 0; i < taken; ++i) {
    ++counts[weighed[i].draft];
  }
  return counts;
}

}  // namespace dstorch::engine
