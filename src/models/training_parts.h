#pragma once

#include <algorithm>
#include <cstdint>

namespace dstorch::models {

// How fine-tuning cuts the examples of a step into parts. The training loop and the memory plan both ask here.

/// Rows that go through the head together: the vocabulary is wide, and its logits are the largest tensors there are.
constexpr int64_t kHeadRows = 128;

/// The least rows of a part: with fewer, reading the weights would take longer than computing with them.
constexpr int64_t kPartRows = 128;

/// The number of parts of a micro-batch of `examples` examples with `rows` rows together. It does not depend on the
/// number of threads, so that sums of gradients are the same on any machine.
constexpr int64_t part_count(int64_t rows, int64_t examples) {
  return std::clamp<int64_t>(rows / kPartRows, 1, std::max<int64_t>(examples, 1));
}

}  // namespace dstorch::models
