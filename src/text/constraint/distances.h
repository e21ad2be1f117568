#pragma once

#include <cstdint>
#include <vector>

#include "text/constraint/network.h"
#include "text/constraint/vocabulary.h"

namespace dstorch::text::constraint {

/// How far it is to the end, in tokens.
using Distance = uint32_t;
/// There is no way. Sums of a few of these do not overflow.
inline constexpr Distance kNoWay = UINT32_MAX / 8;

/// For each state of a network: tokens of the vocabulary that are enough to come to the end of its rule; kNoWay where
/// none do. Never too few; the least there are wherever text is forced, and at most a few more elsewhere: within what
/// is free, single bytes and runs of a few characters are tried alone.
std::vector<Distance> find_distances(const Network& network, const Vocabulary& vocabulary);

}  // namespace dstorch::text::constraint
