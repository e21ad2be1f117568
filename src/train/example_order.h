#pragma once

#include <cstdint>
#include <vector>

namespace dstorch::training {

/// What goes through the model together: places of examples.
using MicroBatch = std::vector<std::size_t>;

/// Which examples each step learns from: every epoch all of them once, in a new order. A step's depend on what this was
/// made with and on the step alone, so that going on after a stop needs no further state. Not thread-safe.
class ExampleOrder {
 public:
  struct Options {
    /// Examples of a micro-batch; with `tokens` above 0 as many as have that many tokens together, at least one.
    int64_t batch_size = 8;
    int64_t tokens = 0;
    /// Micro-batches of a step.
    int64_t accumulate = 1;
    uint64_t seed = 0;
  };

  /// `lengths` of the examples in tokens, at least one.
  ExampleOrder(std::vector<int64_t> lengths, const Options& options);

  /// Of a step, counted from 0. The last step of an epoch may have fewer.
  std::vector<MicroBatch> step(int64_t step);
  /// In that many epochs.
  int64_t steps_of(int64_t epochs);

 private:
  /// The steps of an epoch.
  [[nodiscard]] std::vector<std::vector<MicroBatch>> epoch(int64_t number) const;
  void make_epochs(int64_t past_step);

  std::vector<int64_t> lengths_;
  Options options_;
  std::vector<int64_t> begins_{0};  // the first step of each epoch known, and of the next
  int64_t current_ = -1;
  std::vector<std::vector<MicroBatch>> steps_;  // of the current epoch
};

}  // namespace dstorch::training
