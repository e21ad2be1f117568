#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/constraint/automaton.h"
#include "text/constraint/growing_list.h"
#include "text/constraint/merged_tree.h"
#include "text/constraint/vocabulary.h"

namespace dstorch::text::constraint {

/// Which tokens may come next.
struct Mask {
  std::vector<uint64_t> bits;  ///< one bit a token of the vocabulary
  /// The most tokens that may be needed after any of them.
  Distance farthest = 0;

  explicit Mask(std::size_t tokens) : bits((tokens + 63) / 64, 0) {}
  void set(std::size_t token) { bits[token / 64] |= uint64_t{1} << (token % 64); }
  void clear(std::size_t token) { bits[token / 64] &= ~(uint64_t{1} << (token % 64)); }
  [[nodiscard]] bool has(std::size_t token) const {
    return token / 64 < bits.size() && ((bits[token / 64] >> (token % 64)) & 1U) != 0;
  }
  [[nodiscard]] bool empty() const;
};

/// A constraint with a vocabulary: makes masks and keeps them. The automaton is for who holds the lock.
class Masks {
 public:
  Masks(const std::shared_ptr<const Network>& network, std::shared_ptr<const Vocabulary> vocabulary);

  [[nodiscard]] const Vocabulary& vocabulary() const noexcept { return *vocabulary_; }
  [[nodiscard]] std::unique_lock<std::mutex> lock() const { return std::unique_lock(mutex_); }

  // With the lock.
  [[nodiscard]] Automaton& automaton() noexcept { return automaton_; }
  /// The tokens after which the text can be completed with a vocabulary's tokens. Kept for the next time.
  std::shared_ptr<const Mask> at(Automaton::Position position);
  [[nodiscard]] bool knows(Automaton::Position position) const { return kept_.contains(position); }
  /// Of these, those after which `most` tokens are enough for the rest.
  Mask within(Automaton::Position position, Distance most);
  /// Where `text` leads to.
  Automaton::Position walk(Automaton::Position position, std::string_view text);
  /// About the bytes it takes.
  [[nodiscard]] std::size_t memory() const;

 private:
  using Position = Automaton::Position;

  /// What characters that a JSON string may hold as they are lead to.
  struct PlainStep {
    bool known = false;  ///< It has been looked at.
    bool all = false;    ///< None of them leads to nothing.
    bool none = false;   ///< All of them do.
    std::vector<Position> next;
  };
  /// What texts of plain characters lead to, whichever they are.
  struct PlainReach {
    std::size_t chars = 0;  ///< So many may follow.
    bool ends = false;      ///< And no more.
    /// Of all that they lead to.
    Distance nearest = kNoWay;
    Distance farthest = 0;
  };

  /// All plain tokens, for positions in states of a region.
  struct PlainTree {
    std::vector<char> holds;  // each state
    MergedTree tree;
  };

  void merge_tokens();
  [[nodiscard]] const MergedTree* plain_tree(Position position) const;
  void add_from(const TokenTree& tree, Position position, Distance most, Mask& mask);
  void add_from(const MergedTree& tree, Position position, Distance most, Mask& mask);
  template <typename Node, typename AddTokens>
  void walk_all(const std::vector<Node>& nodes, Position position, Distance most, Mask& mask, AddTokens add_tokens);
  const PlainStep& plain_step(Position position);
  bool plain_sequences(std::span<const ByteRange> rest, Position position, PlainStep& step, int& work);
  PlainReach plain_reach(Position position);

  mutable std::mutex mutex_;
  std::shared_ptr<const Vocabulary> vocabulary_;
  Automaton automaton_;
  std::unordered_map<Position, std::shared_ptr<const Mask>> kept_;
  GrowingList<PlainStep> plain_steps_;         // of each position
  std::vector<std::vector<ByteRange>> plain_;  // the UTF-8 of plain characters
  std::vector<PlainTree> plain_trees_;         // the smallest first
  std::optional<MergedTree> others_;           // the tokens that are not plain, for all positions
  std::vector<Position> path_;                 // by depth, while walking through a tree
};

}  // namespace dstorch::text::constraint
