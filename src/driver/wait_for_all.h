#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace dstorch::driver {

/// Calls that are submitted before the first is waited for.
inline constexpr std::size_t kTogether = 64;

/// What `submit` of 0, 1, ... to `count` - 1 begins, in this order.
template <typename Submit>
auto wait_for_all(uint64_t count, const Submit& submit) {
  std::vector<decltype(submit(count).wait())> results;
  std::deque<decltype(submit(count))> pending;
  for (uint64_t i = 0; i < count; ++i) {
    if (pending.size() == kTogether) {
      results.push_back(pending.front().wait());
      pending.pop_front();
    }
    pending.push_back(submit(i));
  }
  for (auto& generation : pending) {
    results.push_back(generation.wait());
  }
  return results;
}

}  // namespace dstorch::driver
