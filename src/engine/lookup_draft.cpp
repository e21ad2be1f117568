#include "engine/lookup_draft.h"

#include <algorithm>

namespace dstorch::engine {
namespace {

/// How many places with the same hash are looked at, the last ones first.
constexpr int kMostPlaces = 32;

uint64_t hash_of(std::span<const int64_t> tokens) {
  uint64_t hash = 0;
  for (const auto token : tokens) {
    hash = (hash ^ static_cast<uint64_t>(token)) * 0x9E3779B97F4A7C15ULL;
    hash ^= hash >> 32U;
  }
  return hash;
}

/// How many tokens before `place` equal the tokens at the end of `tokens`.
int64_t common_before(std::span<const int64_t> tokens, std::size_t place) {
  std::size_t common = 0;
  while (common < place && common < static_cast<std::size_t>(LookupDraft::kLongest) &&
         tokens[place - 1 - common] == tokens[tokens.size() - 1 - common]) {
    ++common;
  }
  return static_cast<int64_t>(common);
}

}  // namespace

// The end of the text itself is not indexed until a token follows it.
void LookupDraft::read(std::span<const int64_t> tokens) {
  for (auto& places : places_) {
    places.before.resize(tokens.size(), 0);
    for (auto at = std::max(read_, places.length); at < tokens.size(); ++at) {
      auto& last = places.last[hash_of(tokens.subspan(at - places.length, places.length))];
      places.before[at] = last;
      last = static_cast<int32_t>(at);
    }
  }
  read_ = tokens.size();
}

LookupDraft::Place LookupDraft::best_of(const Places& places, std::span<const int64_t> tokens) {
  Place best;
  if (tokens.size() <= places.length) {
    return best;
  }
  const auto found = places.last.find(hash_of(tokens.last(places.length)));
  auto at = found == places.last.end() ? 0 : found->second;
  for (int looked_at = 0; at > 0 && looked_at < kMostPlaces && best.matched < kLongest; ++looked_at) {
    const auto position = static_cast<std::size_t>(at);
    const auto common = common_before(tokens, position);
    // Fewer than `length` tokens in common: a different run with the same hash.
    if (common >= static_cast<int64_t>(places.length) && common > best.matched) {
      best = {position, common};
    }
    at = places.before[position];
  }
  return best;
}

LookupDraft::Guess LookupDraft::guess(std::span<const int64_t> tokens, int64_t most) {
  read(tokens);
  Guess guess;
  for (const auto& places : places_) {
    const auto [position, matched] = best_of(places, tokens);
    if (matched == 0) {
      continue;
    }
    guess.matched = matched;
    for (std::size_t i = 0; i < static_cast<std::size_t>(most); ++i) {
      // Past the end of the text it continues with its own guess: the text is repeating itself.
      const auto from = position + i;
      guess.tokens.push_back(from < tokens.size() ? tokens[from] : guess.tokens[from - tokens.size()]);
    }
    break;
  }
  return guess;
}

}  // namespace dstorch::engine
