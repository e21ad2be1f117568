#include "train/example_order.h"

#include <algorithm>
#include <numeric>

#include "core/rng.h"

namespace dstorch::training {

ExampleOrder::ExampleOrder(std::vector<int64_t> lengths, const Options& options)
    : lengths_(std::move(lengths)), options_(options) {}

std::vector<std::vector<MicroBatch>> ExampleOrder::epoch(int64_t number) const {
  std::vector<std::size_t> order(lengths_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  Rng rng(Rng(options_.seed).next() ^ static_cast<uint64_t>(number));
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[rng.below(i)]);
  }
  std::vector<MicroBatch> batches;
  int64_t tokens = 0;
  for (const auto example : order) {
    const bool full =
        !batches.empty() && (options_.tokens > 0 ? tokens + lengths_[example] > options_.tokens
                                                 : static_cast<int64_t>(batches.back().size()) == options_.batch_size);
    if (batches.empty() || full) {
      batches.emplace_back();
      tokens = 0;
    }
    batches.back().push_back(example);
    tokens += lengths_[example];
  }
  std::vector<std::vector<MicroBatch>> steps;
  for (auto& batch : batches) {
    if (steps.empty() || static_cast<int64_t>(steps.back().size()) == options_.accumulate) {
      steps.emplace_back();
    }
    steps.back().push_back(std::move(batch));
  }
  return steps;
}

void ExampleOrder::make_epochs(int64_t past_step) {
  while (begins_.back() <= past_step) {
    const auto number = static_cast<int64_t>(begins_.size()) - 1;
    begins_.push_back(begins_.back() + static_cast<int64_t>(epoch(number).size()));
  }
}

std::vector<MicroBatch> ExampleOrder::step(int64_t step) {
  make_epochs(step);
  const auto next = std::upper_bound(begins_.begin(), begins_.end(), step);
  const auto number = static_cast<int64_t>(next - begins_.begin()) - 1;
  if (number != current_) {
    steps_ = epoch(number);
    current_ = number;
  }
  return steps_[static_cast<std::size_t>(step - *(next - 1))];
}

int64_t ExampleOrder::steps_of(int64_t epochs) {
  while (static_cast<int64_t>(begins_.size()) <= epochs) {
    make_epochs(begins_.back());
  }
  return begins_[static_cast<std::size_t>(epochs)];
}

}  // namespace dstorch::training
