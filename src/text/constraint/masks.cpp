#include "text/constraint/masks.h"

#include <algorithm>
#include <set>
#include <utility>

#include "text/constraint/byte_kinds.h"
#include "text/constraint/effort.h"

namespace dstorch::text::constraint {
namespace {

/// Bytes of masks that are kept.
constexpr std::size_t kMostKept = std::size_t{48} << 20U;
/// Steps of looking at where one character leads, and positions that are looked at for one mask.
constexpr int kMostMaskWork = 4000;
constexpr std::size_t kMostPlainPositions = 80;
/// Regions whose tokens are merged.
constexpr std::size_t kMostRegions = 4;
/// A merged tree is worth keeping where it has so many times fewer nodes.
constexpr std::size_t kWorthMerging = 2;

}  // namespace

bool Mask::empty() const {
  return std::all_of(bits.begin(), bits.end(), [](uint64_t word) { return word == 0; });
}

Masks::Masks(const std::shared_ptr<const Network>& network, std::shared_ptr<const Vocabulary> vocabulary)
    : vocabulary_(std::move(vocabulary)),
      automaton_(network, find_distances(*network, *vocabulary_)),
      plain_(utf8_sequences(negate({{0, 0x1F}, {'"', '"'}, {'\\', '\\'}}))),
      path_(vocabulary_->all().depth() + 1) {
  merge_tokens();
}

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

// Only trees that are much smaller than those they are made of: a network may tell all letters apart.
void Masks::merge_tokens() {
  const auto& network = automaton_.network();
  std::vector<uint64_t> plain((vocabulary_->size() + 63) / 64, 0);
  std::size_t plain_nodes = 0;
  for (const auto& group : vocabulary_->plain_groups()) {
    plain_nodes += group.tree.nodes().size();
    for (std::size_t i = 0; i < plain.size(); ++i) {
      plain[i] |= group.bits[i];
    }
  }
  for (auto& region : find_regions(network, kMostRegions)) {
    PlainTree merged{std::move(region.holds), MergedTree(*vocabulary_, vocabulary_->all(), region.kinds, plain)};
    if (merged.tree.nodes().size() * kWorthMerging < plain_nodes) {
      plain_trees_.push_back(std::move(merged));
    }
  }
  std::stable_sort(plain_trees_.begin(), plain_trees_.end(), [](const PlainTree& a, const PlainTree& b) {
    return a.tree.nodes().size() < b.tree.nodes().size();
  });
  if (const auto kinds = kinds_everywhere(network)) {
    const auto& others = vocabulary_->others();
    MergedTree merged(*vocabulary_, others, *kinds, std::vector<uint64_t>(plain.size(), ~uint64_t{0}));
    if (merged.nodes().size() * kWorthMerging < others.nodes().size()) {
      others_ = std::move(merged);
    }
  }
}

const MergedTree* Masks::plain_tree(Position position) const {
  const auto items = automaton_.items(position);
  const auto found = std::find_if(plain_trees_.begin(), plain_trees_.end(), [&](const PlainTree& plain) {
    return std::all_of(items.begin(), items.end(), [&](const auto& item) { return plain.holds[item.state] != 0; });
  });
  return found == plain_trees_.end() ? nullptr : &found->tree;
}

// What many plain characters lead to is looked at once for all of a group's tokens; the others are walked through, in
// a tree where those that lead to the same are one where there is such a tree.
Mask Masks::within(Position position, Distance most) {
  const EffortLimit limit;
  Mask mask(vocabulary_->size());
  const auto reach = plain_reach(position);
  std::vector<const Vocabulary::PlainGroup*> whole;
  std::vector<const Vocabulary::PlainGroup*> parts;
  std::size_t nodes = 0;  // of the parts
  for (const auto& group : vocabulary_->plain_groups()) {
    const bool fits = group.most_chars <= reach.chars;
    if ((fits && reach.nearest > most) || (reach.ends && group.least_chars > reach.chars)) {
      continue;
    }
    if (fits && reach.farthest <= most) {
      whole.push_back(&group);
    } else {
      parts.push_back(&group);
      nodes += group.tree.nodes().size();
    }
  }
  if (const auto* const tree = plain_tree(position); tree != nullptr && tree->nodes().size() < nodes) {
    add_from(*tree, position, most, mask);  // which has all groups
  } else {
    for (const auto* group : whole) {
      for (std::size_t i = 0; i < mask.bits.size(); ++i) {
        mask.bits[i] |= group->bits[i];
      }
      mask.farthest = std::max(mask.farthest, reach.farthest);
    }
    for (const auto* group : parts) {
      add_from(group->tree, position, most, mask);
    }
  }
  if (others_) {
    add_from(*others_, position, most, mask);
  } else {
    add_from(vocabulary_->others(), position, most, mask);
  }
  return mask;
}

Automaton::Position Masks::walk(Position position, std::string_view text) {
  for (const char c : text) {
    position = automaton_.step(position, static_cast<uint8_t>(c));
  }
  return position;
}

std::size_t Masks::memory() const {
  std::size_t trees = others_ ? others_->memory() : 0;
  for (const auto& plain : plain_trees_) {
    trees += plain.holds.size() + plain.tree.memory();
  }
  return automaton_.memory() + kept_.size() * (vocabulary_->size() / 8) + plain_steps_.size() * sizeof(PlainStep) +
         trees;
}

// One pass over the tree: below a byte that leads to nothing, all is left out at once.
template <typename Node, typename AddTokens>
void Masks::walk_all(const std::vector<Node>& nodes, Position position, Distance most, Mask& mask,
                     AddTokens add_tokens) {
  path_[0] = position;
  for (std::size_t i = 1; i < nodes.size();) {
    const auto& node = nodes[i];
    const auto next = automaton_.step(path_[node.depth - 1U], node.byte);
    if (next == Automaton::kDead) {
      i = node.end;
      continue;
    }
    path_[node.depth] = next;
    if (const auto distance = automaton_.distance(next); node.has_tokens() && distance <= most) {
      mask.farthest = std::max(mask.farthest, distance);
      add_tokens(node);
    }
    ++i;
  }
}

void Masks::add_from(const TokenTree& tree, Position position, Distance most, Mask& mask) {
  walk_all(tree.nodes(), position, most, mask, [&](const TokenTree::Node& node) {
    mask.set(static_cast<std::size_t>(node.token));
    for (auto token = node.token; node.more && token >= 0; token = vocabulary_->next_same(token)) {
      mask.set(static_cast<std::size_t>(token));
    }
  });
}

void Masks::add_from(const MergedTree& tree, Position position, Distance most, Mask& mask) {
  walk_all(tree.nodes(), position, most, mask, [&](const MergedTree::Node& node) { tree.add_tokens(node, mask.bits); });
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
  while (plain_steps_.size() <= position) {
    plain_steps_.push_back({});
  }
  auto& step = plain_steps_[position];
  if (!step.known) {
    int work = kMostMaskWork;
    step.known = true;
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
