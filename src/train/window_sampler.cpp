#include "train/window_sampler.h"

#include <algorithm>
#include <numeric>

#include "core/rng.h"
#include "core/throw.h"

namespace dstorch::training {

WindowSampler::WindowSampler(std::span<const int32_t> ids, int64_t batch_size, int64_t sequence_length, uint64_t seed)
    : ids_(ids), batch_size_(batch_size), sequence_length_(sequence_length), seed_(seed), windows_(1) {
  const auto count = static_cast<int64_t>(ids.size());
  require(count > sequence_length, ErrorKind::invalid_argument,
          "the text to learn from must have more tokens than one sequence of {}, it has {}: give more text or a "
          "smaller sequence_length",
          sequence_length, count);
  // One window fewer than would fit leaves room for every offset.
  windows_ = std::max<int64_t>(1, count / sequence_length - 1);
}

void WindowSampler::start_epoch(int64_t epoch) {
  Rng rng(Rng(seed_).next() ^ static_cast<uint64_t>(epoch));
  const auto room = static_cast<int64_t>(ids_.size()) - 1 - windows_ * sequence_length_;
  offset_ = static_cast<int64_t>(rng.below(static_cast<uint64_t>(std::min(sequence_length_ - 1, room)) + 1));
  order_.resize(static_cast<std::size_t>(windows_));
  std::iota(order_.begin(), order_.end(), 0);
  for (std::size_t i = order_.size(); i > 1; --i) {
    std::swap(order_[i - 1], order_[rng.below(i)]);
  }
  epoch_ = epoch;
}

Batch WindowSampler::batch(int64_t step) {
  std::vector<int64_t> begins;
  for (int64_t row = 0; row < batch_size_; ++row) {
    const auto sample = step * batch_size_ + row;
    if (sample / windows_ != epoch_) {
      start_epoch(sample / windows_);
    }
    begins.push_back(offset_ + order_[static_cast<std::size_t>(sample % windows_)] * sequence_length_);
  }
  return gather_windows(ids_, begins, sequence_length_);
}

Batch gather_windows(std::span<const int32_t> ids, std::span<const int64_t> begins, int64_t sequence_length) {
  const auto rows = static_cast<int64_t>(begins.size());
  Batch batch{at::empty({rows, sequence_length}, at::kLong), at::empty({rows, sequence_length}, at::kLong)};
  auto* inputs = batch.inputs.data_ptr<int64_t>();
  auto* targets = batch.targets.data_ptr<int64_t>();
  for (const auto begin : begins) {
    const auto* first = ids.data() + begin;
    inputs = std::copy_n(first, sequence_length, inputs);
    targets = std::copy_n(first + 1, sequence_length, targets);
  }
  return batch;
}

}  // namespace dstorch::training
