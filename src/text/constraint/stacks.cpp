#include "text/constraint/stacks.h"

#include <algorithm>
#include <tuple>

#include "core/throw.h"
#include "text/constraint/effort.h"

namespace dstorch::text::constraint {
namespace {

/// In all sets of one automaton.
constexpr std::size_t kMostFrames = 5'000'000;

}  // namespace

Stacks::Stacks(const Network& network, const std::vector<Distance>& distances)
    : network_(network), distances_(distances) {
  intern(true, {});
}

Stacks::Id Stacks::intern(bool has_empty, std::vector<Frame> tops) {
  const auto [known, added] = known_.try_emplace({has_empty, tops}, static_cast<Id>(sets_.size()));
  if (added) {
    Distance nearest = has_empty ? 0 : kNoWay;
    for (const auto& frame : tops) {
      nearest = std::min(nearest, distances_[frame.state] + sets_[frame.below].distance);
    }
    frames_ += tops.size();
    require(frames_ <= kMostFrames, ErrorKind::unsupported,
            "the constraint needs too much memory: what it returns to is more than {} states", kMostFrames);
    sets_.push_back({has_empty, std::move(tops), nearest});
  }
  return known->second;
}

Stacks::Id Stacks::push(uint32_t state, Id below) { return intern(false, {{state, below}}); }

std::size_t Stacks::memory() const noexcept {
  constexpr std::size_t kSet = 160;
  constexpr std::size_t kUnited = 48;
  return sets_.size() * kSet + 2 * frames_ * sizeof(Frame) + united_.size() * kUnited;
}

// As Automaton::drop_needless.
void Stacks::drop_needless(std::vector<Frame>& tops) const {
  if (!network_.has_chains() || tops.size() < 2) {
    return;
  }
  const auto place = [this](const Frame& frame) {
    return std::tuple(network_.chain(frame.state), frame.below, network_.place(frame.state), frame.state);
  };
  std::sort(tops.begin(), tops.end(), [&](const Frame& a, const Frame& b) { return place(a) < place(b); });
  auto kept = tops.begin();
  for (auto frame = tops.begin() + 1; frame != tops.end(); ++frame) {
    const auto chain = network_.chain(frame->state);
    const bool needless = chain != 0 && chain == network_.chain(kept->state) && frame->below == kept->below &&
                          distances_[kept->state] <= distances_[frame->state];
    if (!needless) {
      *++kept = *frame;
    }
  }
  tops.erase(kept + 1, tops.end());
  std::sort(tops.begin(), tops.end());
}

Stacks::Id Stacks::unite(Id a, Id b) {
  if (a == b) {
    return a;
  }
  const auto key = (static_cast<uint64_t>(std::min(a, b)) << 32U) | std::max(a, b);
  if (const auto known = united_.find(key); known != united_.end()) {
    return known->second;
  }
  spend(20 + 10 * static_cast<int64_t>(sets_[a].tops.size() + sets_[b].tops.size()));
  const auto first = tops(a);
  const auto second = tops(b);
  std::vector<Frame> both;
  for (std::size_t i = 0, j = 0; i < first.size() || j < second.size();) {
    if (j == second.size() || (i < first.size() && first[i].state < second[j].state)) {
      both.push_back(first[i++]);
    } else if (i == first.size() || second[j].state < first[i].state) {
      both.push_back(second[j++]);
    } else {
      both.push_back({first[i].state, unite(first[i].below, second[j].below)});
      ++i;
      ++j;
    }
  }
  drop_needless(both);
  const auto united = intern(sets_[a].has_empty || sets_[b].has_empty, std::move(both));
  united_.emplace(key, united);
  return united;
}

}  // namespace dstorch::text::constraint
