#include "text/constraint/automaton.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "core/throw.h"
#include "text/constraint/effort.h"

namespace dstorch::text::constraint {
namespace {

/// Items that one automaton may hold, and one position.
constexpr std::size_t kMostItems = 20'000'000;
constexpr std::size_t kMostItemsAtOnce = 20'000;
/// Items that are kept in one piece of memory, unless one position has more.
constexpr std::size_t kItemBlock = 4096;
constexpr std::size_t kFirstBuckets = 1024;

uint64_t mix(uint64_t hash, uint64_t value) {
  hash ^= value + 0x9E3779B97F4A7C15ULL + (hash << 6U) + (hash >> 2U);
  return hash * 0xBF58476D1CE4E5B9ULL;
}

}  // namespace

Automaton::Automaton(std::shared_ptr<const Network> network, std::vector<Distance> distances)
    : network_(std::move(network)),
      distances_(std::move(distances)),
      stacks_(*network_, distances_),
      by_hash_(kFirstBuckets, kDead),
      slot_(network_->size(), 0),
      slot_round_(network_->size(), 0) {
  const EffortLimit limit;
  add_position({});
  ++round_;
  add(network_->start(0), Stacks::kBottom);
  close();
  start_ = intern();
}

std::size_t Automaton::memory() const noexcept {
  return positions_.size() * sizeof(Known) + item_count_ * sizeof(Item) + by_hash_.size() * sizeof(Position) +
         rows_.size() * kRows * network_->byte_classes() * sizeof(Position) + stacks_.memory();
}

Automaton::Position Automaton::compute(Position position, uint8_t byte) {
  ++round_;
  for (const auto& item : items(position)) {
    spend(1 + static_cast<int64_t>(network_->edges(item.state).size()));
    for (const auto& edge : network_->edges(item.state)) {
      if (edge.first <= byte && byte <= edge.last) {
        add(edge.target, item.stacks);
      }
    }
  }
  close();
  const auto next = intern();
  next_of(position, byte) = next;
  return next;
}

void Automaton::add(uint32_t state, Stacks::Id stacks) {
  if (slot_round_[state] != round_) {
    slot_round_[state] = round_;
    slot_[state] = static_cast<uint32_t>(draft_.size());
    require(draft_.size() < kMostItemsAtOnce, ErrorKind::unsupported,
            "the constraint is too ambiguous: one text can be read in more than {} ways", kMostItemsAtOnce);
    draft_.push_back({state, stacks});
    queued_.push_back(1);
    waiting_.push_back(slot_[state]);
    return;
  }
  auto& item = draft_[slot_[state]];
  const auto united = stacks_.unite(item.stacks, stacks);
  if (united == item.stacks) {
    return;
  }
  item.stacks = united;
  if (queued_[slot_[state]] == 0) {
    queued_[slot_[state]] = 1;
    waiting_.push_back(slot_[state]);
  }
}

// Adds what calls and returns lead to without a byte.
void Automaton::close() {
  accepts_ = false;
  while (!waiting_.empty()) {
    const auto at = waiting_.back();
    waiting_.pop_back();
    queued_[at] = 0;
    const auto item = draft_[at];
    spend(10 + 10 * static_cast<int64_t>(network_->calls(item.state).size()));
    if (network_->final(item.state)) {
      accepts_ = accepts_ || stacks_.has_empty(item.stacks);
      const auto tops = stacks_.tops(item.stacks);
      spend(10 * static_cast<int64_t>(tops.size()));
      for (const auto& frame : tops) {
        add(frame.state, frame.below);
      }
    }
    for (const auto& call : network_->calls(item.state)) {
      // Where nothing is left to do after the call, its return is this one's.
      const auto below = network_->at_end(call.target) ? item.stacks : stacks_.push(call.target, item.stacks);
      add(network_->start(call.rule), below);
    }
  }
}

// A state is not needed beside an earlier one of its chain with the same stacks, unless that is further from the end:
// distances are not always the least there are.
void Automaton::drop_needless() {
  if (!network_->has_chains() || draft_.size() < 2) {
    return;
  }
  std::sort(draft_.begin(), draft_.end(), [this](const Item& a, const Item& b) {
    return std::tuple(network_->chain(a.state), a.stacks, network_->place(a.state), a.state) <
           std::tuple(network_->chain(b.state), b.stacks, network_->place(b.state), b.state);
  });
  auto kept = draft_.begin();
  for (auto item = draft_.begin() + 1; item != draft_.end(); ++item) {
    const auto chain = network_->chain(item->state);
    const bool needless = chain != 0 && chain == network_->chain(kept->state) && item->stacks == kept->stacks &&
                          distances_[kept->state] <= distances_[item->state];
    if (!needless) {
      *++kept = *item;
    }
  }
  draft_.erase(kept + 1, draft_.end());
}

Automaton::Position Automaton::intern() {
  Distance nearest = accepts_ ? 0 : kNoWay;
  std::erase_if(draft_, [&](const Item& item) {
    const auto distance = distances_[item.state] + stacks_.distance(item.stacks);
    nearest = std::min(nearest, distance);
    return distance >= kNoWay || network_->edges(item.state).empty();
  });
  drop_needless();
  std::sort(draft_.begin(), draft_.end());
  uint64_t hash = accepts_ ? 1 : 2;
  for (const auto& item : draft_) {
    hash = mix(hash, (static_cast<uint64_t>(item.state) << 32U) | item.stacks);
  }
  hash ^= hash >> 32U;  // its lower bits say the bucket
  Position found = kDead;
  if (accepts_ || !draft_.empty()) {
    found = find(hash);
    if (found == kDead) {
      found = static_cast<Position>(positions_.size());
      add_position({nullptr, 0, nearest, accepts_, kDead, hash});
    }
  }
  draft_.clear();
  queued_.clear();
  return found;
}

Automaton::Position Automaton::find(uint64_t hash) const {
  auto found = by_hash_[hash % by_hash_.size()];
  while (found != kDead) {
    const auto& known = positions_[found];
    if (known.hash == hash && known.accepts == accepts_ &&
        std::equal(draft_.begin(), draft_.end(), known.items, known.items + known.item_count)) {
      break;
    }
    found = known.other;
  }
  return found;
}

// With the items of the draft.
void Automaton::add_position(Known known) {
  require(item_count_ < kMostItems, ErrorKind::unsupported,
          "the constraint needs too much memory: it has more than {} states", kMostItems);
  if (items_.empty() || items_.back().capacity() - items_.back().size() < draft_.size()) {
    items_.emplace_back().reserve(std::max(kItemBlock, draft_.size()));
  }
  auto& items = items_.back();
  known.items = items.data() + items.size();
  known.item_count = static_cast<uint32_t>(draft_.size());
  items.insert(items.end(), draft_.begin(), draft_.end());
  item_count_ += draft_.size();
  if (positions_.size() == by_hash_.size()) {
    by_hash_.assign(4 * by_hash_.size(), kDead);
    for (Position position = 1; position < positions_.size(); ++position) {
      auto& bucket = by_hash_[positions_[position].hash % by_hash_.size()];
      positions_[position].other = std::exchange(bucket, position);
    }
  }
  if (positions_.size() % kRows == 0) {
    const auto entries = kRows * network_->byte_classes();
    rows_.push_back(std::make_unique<Position[]>(entries));
    std::fill_n(rows_.back().get(), entries, kUnknown);
  }
  if (positions_.size() > 0) {  // the first one is kDead
    known.other = std::exchange(by_hash_[known.hash % by_hash_.size()], static_cast<Position>(positions_.size()));
  }
  positions_.push_back(known);
}

std::optional<uint8_t> Automaton::forced(Position position) {
  if (accepts(position)) {
    return std::nullopt;
  }
  std::optional<uint8_t> only;
  for (const auto& item : items(position)) {
    for (const auto& edge : network_->edges(item.state)) {
      for (int byte = edge.first; byte <= edge.last; ++byte) {
        const auto candidate = static_cast<uint8_t>(byte);
        if (only == candidate || step(position, candidate) == kDead) {
          continue;
        }
        if (only) {
          return std::nullopt;
        }
        only = candidate;
      }
    }
  }
  return only;
}

}  // namespace dstorch::text::constraint
