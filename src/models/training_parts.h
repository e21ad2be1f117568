#pragma once

#include <algorithm>
#include <cstdint>

namespace dstorch::models {

// How fine-tuning cuts up what a step learns from: the loop that does it asks here, and the plan of the parts that run
// side by side.

/// Rows that go through the head together: the vocabulary is wide, and its logits are the largest tensors there are.
constexpr int64_t kHeadRows = 128;

/// Rows of a part, at least: fewer would read the weights for too little.
constexpr int64_t kPartRows = 128;

/// How many parts a micro-batch of `examples` with `rows` rows together is learned in, whatever the threads: a sum of
/// gradients is then the same on any machine.
constexpr int64_t part_count(int64_t rows, int64_t examples) {
  return std::clamp<int64_t>(rows / kPartRows, 1, std::max<int64_t>(examples, 1));
}

}  // namespace dstorch::models
