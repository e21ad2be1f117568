#include "text/constraint/masks.h"

#include <algorithm>
#include <set>
#include <utility>

#include "text/constraint/effort.h"

namespace dstorch::text::constraint {
namespace {

/// Bytes of masks that are kept.
constexpr std::size_t kMostKept = std::size_t{48} << 20U;
/// Steps of looking at where one character leads, and positions that are looked at for one mask.
constexpr int kMostMaskWork = 4000;
constexpr std::size_t kMostPlainPositions = 80;

}  // namespace

bool Mask::empty() const {
  return std::all_of(bits.begin(), bits.end(), [](uint64_t word) { return word == 0; });
}

Masks::Masks(const std::shared_ptr<const Network>& network, std::shared_ptr<const Vocabulary> vocabulary)
    : vocabulary_(std::move(vocabulary)),
      automaton_(network, find_distances(*network, *vocabulary_)),
      plain_(utf8_sequences(negate({{0, 0x1F}, {'"', '"'}, {'\\', '\\'}}))),
      path_(vocabulary_->all().depth() + 1) {}

std::shared_ptr<const Mask> Masks::at(Position position) {
  if (const auto kept = kept_.find(position); kept != kept_.end()) {
    return kept->second;
  }
  auto mask = std::make_shared<const Mask>(within(position, kNoWay));
  if (kept_.size() * mask->bits.size() * sizeof(uint64_t) > kMostKept) {
    kept_.clear();
  }
  kept_.emplace(position, mask);
  return mask;
}

// What many plain characters lead to is looked at once for all of a group's tokens; the others are walked through.
Mask Masks::within(Position position, Distance most) {
  const EffortLimit limit;
  Mask mask(vocabulary_->size());
  const auto reach = plain_reach(position);
  for (const auto& group : vocabulary_->plain_groups()) {
    const bool fits = group.most_chars <= reach.chars;
    if ((fits && reach.nearest > most) || (reach.ends && group.least_chars > reach.chars)) {
      continue;
    }
    if (!fits || reach.farthest > most) {
      add_from(group.tree, position, most, mask);
      continue;
    }
    for (std::size_t i = 0; i < mask.bits.size(); ++i) {
      mask.bits[i] |= group.bits[i];
    }
    mask.farthest = std::max(mask.farthest, reach.farthest);
  }
  add_from(vocabulary_->others(), position, most, mask);
  return mask;
}

Automaton::Position Masks::walk(Position position, std::string_view text) {
  for (const char c : text) {
    position = automaton_.step(position, static_cast<uint8_t>(c));
  }
  return position;
}

std::size_t Masks::memory() const {
  return automaton_.memory() + kept_.size() * (vocabulary_->size() / 8) + plain_steps_.size() * 100;
}

// One pass over the tree: below a byte that leads to nothing, all is left out at once.
void Masks::add_from(const TokenTree& tree, Position position, Distance most, Mask& mask) {
  const auto& nodes = tree.nodes();
  path_[0] = position;
  for (std::size_t i = 1; i < nodes.size();) {
    const auto& node = nodes[i];
    const auto next = automaton_.step(path_[node.depth - 1U], node.byte);
    if (next == Automaton::kDead) {
      i = node.end;
      continue;
    }
    path_[node.depth] = next;
    if (const auto distance = automaton_.distance(next); node.token >= 0 && distance <= most) {
      mask.farthest = std::max(mask.farthest, distance);
      mask.set(static_cast<std::size_t>(node.token));
      for (auto token = node.token; node.more && token >= 0; token = vocabulary_->next_same(token)) {
        mask.set(static_cast<std::size_t>(token));
      }
    }
    ++i;
  }
}

bool Masks::plain_sequences(std::span<const ByteRange> rest, Position position, PlainStep& step, int& work) {
  if (rest.empty()) {
    step.next.push_back(position);
    return true;
  }
  const auto& network = automaton_.network();
  bool all = true;
  for (unsigned byte = rest.front().first; byte <= rest.front().last; ++byte) {
    // One of each class of bytes is enough.
    if (byte > rest.front().first &&
        network.byte_class(static_cast<uint8_t>(byte)) == network.byte_class(static_cast<uint8_t>(byte - 1))) {
      continue;
    }
    if (--work < 0) {
      return false;
    }
    const auto next = automaton_.step(position, static_cast<uint8_t>(byte));
    all = next != Automaton::kDead && plain_sequences(rest.subspan(1), next, step, work) && all;
  }
  return all;
}

const Masks::PlainStep& Masks::plain_step(Position position) {
  const auto [known, added] = plain_steps_.try_emplace(position);
  auto& step = known->second;
  if (added) {
    int work = kMostMaskWork;
    step.all = true;
    for (const auto& sequence : plain_) {
      step.all = plain_sequences(sequence, position, step, work) && step.all;
    }
    step.none = step.next.empty() && work >= 0;
    std::sort(step.next.begin(), step.next.end());
    step.next.erase(std::unique(step.next.begin(), step.next.end()), step.next.end());
  }
  return step;
}

// Goes out from the position character by character, until one leads to nothing or to nothing new.
Masks::PlainReach Masks::plain_reach(Position position) {
  const auto longest = Vocabulary::kPlainGroups.back();
  PlainReach reach;
  std::set<Position> seen = {position};
  std::vector<Position> outer = {position};
  bool again = false;
  while (reach.chars < longest) {
    std::vector<Position> beyond;
    bool none = true;
    for (const auto at : outer) {
      const auto& step = plain_step(at);
      none = none && step.none;
      if (!step.all && !step.none) {
        return reach;
      }
    }
    if (none) {
      reach.ends = !again;
      return reach;
    }
    for (const auto at : outer) {
      const auto& step = plain_step(at);
      if (step.none) {
        return reach;
      }
      for (const auto next : step.next) {
        reach.nearest = std::min(reach.nearest, automaton_.distance(next));
        reach.farthest = std::max(reach.farthest, automaton_.distance(next));
        if (seen.insert(next).second) {
          beyond.push_back(next);
        } else {
          again = true;  // longer texts lead back
        }
      }
    }
    if (beyond.empty()) {
      reach.chars = longest;
      return reach;
    }
    ++reach.chars;
    if (seen.size() > kMostPlainPositions) {
      return reach;
    }
    outer = std::move(beyond);
  }
  return reach;
}

}  // namespace dstorch::text::constraint
