#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <span>
#include <vector>

namespace dstorch::training {

/// Tokens and, for each, the one that follows it.
struct Batch {
  at::Tensor inputs;   // int64 [batch, seq]
  at::Tensor targets;  // int64 [batch, seq]
};

/// Draws windows of a token stream: every epoch cuts the stream at a new offset and visits the windows once, in a new
/// order. A step's batch depends on the constructor's arguments and the step alone, so that going on after a stop needs
/// no further state. Not thread-safe. The ids are not copied and must outlive the sampler.
class WindowSampler {
 public:
  /// Throws LMError{invalid_argument} unless there are more than `sequence_length` ids.
  WindowSampler(std::span<const int32_t> ids, int64_t batch_size, int64_t sequence_length, uint64_t seed);

  /// The batch of a step, counted from 0.
  Batch batch(int64_t step);

  [[nodiscard]] int64_t windows_per_epoch() const noexcept { return windows_; }

 private:
  void start_epoch(int64_t epoch);

  std::span<const int32_t> ids_;
  int64_t batch_size_;
  int64_t sequence_length_;
  uint64_t seed_;
  int64_t windows_;
  int64_t epoch_ = -1;
  int64_t offset_ = 0;
  std::vector<int64_t> order_;
};

/// Copies `count` windows of `sequence_length` + 1 ids into a batch; `begins` are their first positions.
Batch gather_windows(std::span<const int32_t> ids, std::span<const int64_t> begins, int64_t sequence_length);

}  // namespace dstorch::training
