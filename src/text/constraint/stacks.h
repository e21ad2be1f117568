#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "text/constraint/distances.h"
#include "text/constraint/growing_list.h"

namespace dstorch::text::constraint {

/// Sets of stacks of states to return to, each set with a number. A set is kept as a tree from the tops of its stacks
/// downwards, equal parts once, so that the many ways through an ambiguous grammar cost little. One thread at a time.
class Stacks {
 public:
  using Id = uint32_t;
  /// The set of the empty stack alone.
  static constexpr Id kBottom = 0;

  struct Frame {
    uint32_t state = 0;  ///< to return to
    Id below = 0;
    auto operator<=>(const Frame&) const = default;  // NOLINT(modernize-use-nullptr)
  };

  /// `distances`: of the network's states, to the ends of their rules.
  Stacks(const Network& network, const std::vector<Distance>& distances);

  /// All stacks of `below` with `state` on top.
  Id push(uint32_t state, Id below);
  Id unite(Id a, Id b);
  /// Stay as they are, whatever is made after them.
  [[nodiscard]] std::span<const Frame> tops(Id set) const { return sets_[set].tops; }
  [[nodiscard]] bool has_empty(Id set) const { return sets_[set].has_empty; }
  /// Of the stack from which it is nearest to the end.
  [[nodiscard]] Distance distance(Id set) const { return sets_[set].distance; }
  /// About the bytes it takes.
  [[nodiscard]] std::size_t memory() const noexcept;

 private:
  struct Set {
    bool has_empty = false;
    std::vector<Frame> tops;  // by state, each once
    Distance distance = kNoWay;
  };
  void drop_needless(std::vector<Frame>& tops) const;
  Id intern(bool has_empty, std::vector<Frame> tops);

  const Network& network_;
  const std::vector<Distance>& distances_;
  GrowingList<Set> sets_;
  std::map<std::pair<bool, std::vector<Frame>>, Id> known_;
  std::unordered_map<uint64_t, Id> united_;
  std::size_t frames_ = 0;  // of all sets
};

}  // namespace dstorch::text::constraint
