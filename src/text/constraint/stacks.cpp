#include "text/constraint/stacks.h"

#include <algorithm>

#include "text/constraint/effort.h"

namespace dstorch::text::constraint {

Stacks::Stacks(const std::vector<Distance>& distances) : distances_(distances) { intern(true, {}); }

Stacks::Id Stacks::intern(bool has_empty, std::vector<Frame> tops) {
  const auto [known, added] = known_.try_emplace({has_empty, tops}, static_cast<Id>(sets_.size()));
  if (added) {
    Distance nearest = has_empty ? 0 : kNoWay;
    for (const auto& frame : tops) {
      nearest = std::min(nearest, distances_[frame.state] + sets_[frame.below].distance);
    }
    sets_.push_back({has_empty, std::move(tops), nearest});
  }
  return known->second;
}

Stacks::Id Stacks::push(uint32_t state, Id below) { return intern(false, {{state, below}}); }

Stacks::Id Stacks::unite(Id a, Id b) {
  if (a == b) {
    return a;
  }
  const auto key = (static_cast<uint64_t>(std::min(a, b)) << 32U) | std::max(a, b);
  if (const auto known = united_.find(key); known != united_.end()) {
    return known->second;
  }
  spend(20 + 10 * static_cast<int64_t>(sets_[a].tops.size() + sets_[b].tops.size()));
  const auto first = sets_[a].tops;  // copies: making sets moves them
  const auto second = sets_[b].tops;
  std::vector<Frame> tops;
  for (std::size_t i = 0, j = 0; i < first.size() || j < second.size();) {
    if (j == second.size() || (i < first.size() && first[i].state < second[j].state)) {
      tops.push_back(first[i++]);
    } else if (i == first.size() || second[j].state < first[i].state) {
      tops.push_back(second[j++]);
    } else {
      tops.push_back({first[i].state, unite(first[i].below, second[j].below)});
      ++i;
      ++j;
    }
  }
  const auto united = intern(sets_[a].has_empty || sets_[b].has_empty, std::move(tops));
  united_.emplace(key, united);
  return united;
}

}  // namespace dstorch::text::constraint
