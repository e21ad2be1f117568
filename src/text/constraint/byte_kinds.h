#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "text/constraint/network.h"

namespace dstorch::text::constraint {

/// Of each byte, which kind it is of: for some states of a network, bytes of one kind are one and the same.
struct ByteKinds {
  /// Bytes that lead from none of the states to anything.
  static constexpr uint16_t kNowhere = UINT16_MAX;

  std::array<uint16_t, 256> of{};
  uint16_t count = 0;
};

/// States of a network that no text of plain characters (see `is_plain`) leads out of, and the kinds of bytes there.
struct Region {
  std::vector<char> holds;  ///< of each state
  ByteKinds kinds;          ///< of plain bytes; the others are kNowhere
};

/// The regions in which many plain texts may come, those with the most such states first, and one of all together last;
/// `most` of them at most, each once. None for networks that are too large to look at.
std::vector<Region> find_regions(const Network& network, std::size_t most);

/// The kinds of all bytes for all states. Nothing for such networks.
std::optional<ByteKinds> kinds_everywhere(const Network& network);

}  // namespace dstorch::text::constraint
