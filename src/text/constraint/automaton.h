#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "text/constraint/distances.h"
#include "text/constraint/growing_list.h"
#include "text/constraint/network.h"
#include "text/constraint/stacks.h"

namespace dstorch::text::constraint {

/// Runs a network over bytes. Where it may be after some text is a position: states with sets of stacks. Positions are
/// made as they are met, each once and with a number, so that a byte costs one look into a table the second time.
/// Positions from which there is no way to the end do not exist. One thread at a time.
class Automaton {
 public:
  using Position = uint32_t;
  /// No text that begins so is complete, nor can it become so.
  static constexpr Position kDead = 0;
  /// A state, and what may be returned to from its rule's end.
  struct Item {
    uint32_t state = 0;
    Stacks::Id stacks = 0;
    auto operator<=>(const Item&) const = default;  // NOLINT(modernize-use-nullptr)
  };

  Automaton(std::shared_ptr<const Network> network, std::vector<Distance> distances);
  Automaton(const Automaton&) = delete;
  Automaton& operator=(const Automaton&) = delete;

  /// kDead when no text at all can be made.
  [[nodiscard]] Position start() const noexcept { return start_; }
  [[nodiscard]] Position step(Position position, uint8_t byte) {
    const auto next = next_of(position, byte);
    return next != kUnknown ? next : compute(position, byte);
  }
  /// The text is complete.
  [[nodiscard]] bool accepts(Position position) const noexcept { return positions_[position].accepts; }
  /// Nothing can follow.
  [[nodiscard]] bool ends(Position position) const noexcept { return positions_[position].item_count == 0; }
  /// Where the next byte is taken from.
  [[nodiscard]] std::span<const Item> items(Position position) const noexcept {
    return {positions_[position].items, positions_[position].item_count};
  }
  /// Tokens that are enough to complete the text.
  [[nodiscard]] Distance distance(Position position) const noexcept { return positions_[position].distance; }
  /// The one byte that must follow, where there is just one and the text is not complete.
  std::optional<uint8_t> forced(Position position);

  [[nodiscard]] const Network& network() const noexcept { return *network_; }
  /// About the bytes it takes.
  [[nodiscard]] std::size_t memory() const noexcept;

 private:
  static constexpr uint32_t kUnknown = UINT32_MAX;

  struct Known {
    const Item* items = nullptr;
    uint32_t item_count = 0;
    Distance distance = kNoWay;
    bool accepts = false;
    Position other = kDead;  ///< The next one whose hash begins so.
    uint64_t hash = 0;
  };
  /// Positions whose rows are made together.
  static constexpr std::size_t kRows = 64;

  /// Where `byte` leads to from `position`, as far as it is known.
  [[nodiscard]] Position& next_of(Position position, uint8_t byte) noexcept {
    return rows_[position / kRows][position % kRows * network_->byte_classes() + network_->byte_class(byte)];
  }
  Position compute(Position position, uint8_t byte);
  void add(uint32_t state, Stacks::Id stacks);
  void close();
  void drop_needless();
  Position intern();
  [[nodiscard]] Position find(uint64_t hash) const;
  void add_position(Known known);

  std::shared_ptr<const Network> network_;
  std::vector<Distance> distances_;
  Stacks stacks_;
  // Nothing of what there is for each position is moved when another one is added.
  GrowingList<Known> positions_;
  std::vector<std::vector<Item>> items_;
  std::size_t item_count_ = 0;
  std::vector<std::unique_ptr<Position[]>> rows_;  // of `kRows` positions each: one entry for each class of bytes
  std::vector<Position> by_hash_;                  // the last one whose hash begins so, or kDead
  Position start_ = kDead;

  // What is being put together.
  std::vector<Item> draft_;
  std::vector<char> queued_;       // of draft_: waits to be looked at
  std::vector<uint32_t> waiting_;  // into draft_
  std::vector<uint32_t> slot_;     // of each state: into draft_, when `slot_round_` is the present one
  std::vector<uint32_t> slot_round_;
  uint32_t round_ = 0;
  bool accepts_ = false;
};

}  // namespace dstorch::text::constraint
