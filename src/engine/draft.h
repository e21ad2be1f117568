#pragma once

#include <cstdint>
#include <vector>

namespace dstorch::engine {

/// Tokens that may come next, one after the other.
struct Draft {
  std::vector<int64_t> tokens;
  /// Of each token: that it comes, and all before it.
  std::vector<double> chances;
  /// To be tried whatever that costs.
  bool always = false;
};

}  // namespace dstorch::engine
