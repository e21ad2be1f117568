#pragma once

#include <cstdint>
#include <vector>

namespace dstorch::engine {

/// A guess of the next tokens of an answer, in order.
struct Draft {
  std::vector<int64_t> tokens;
  /// By token: the probability that it and all tokens before it come true.
  std::vector<double> chances;
  /// Whether the guess is to be tried even where trying it is expected to be slower.
  bool always = false;
};

}  // namespace dstorch::engine
