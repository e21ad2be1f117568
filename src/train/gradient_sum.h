#pragma once

#include <ATen/core/Tensor.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "train/parameters.h"

namespace dstorch::training {

/// Adds up the gradients of the parts of a micro-batch, which threads compute side by side, in the order of the parts:
/// the sum is the same to the bit whichever thread is first. A part gives them in stages, the same in all; each
/// parameter's gradient belongs to one stage. Thread-safe: one thread a part, and the parts begin in order.
class GradientSum {
 public:
  /// The sums are the parameters' `grad()`, on top of what is there.
  GradientSum(const Parameters& parameters, int64_t parts);

  /// What a backward pass asks for: all parameters.
  [[nodiscard]] const std::vector<at::Tensor>& parameters() const noexcept { return parameters_; }

  /// Waits until the part before has given this stage, or a later one, and adds. `gradients`: one a parameter,
  /// undefined where the stage has none. Nothing is added any more when a part was abandoned.
  void add(int64_t part, int64_t stage, const std::vector<at::Tensor>& gradients);

  /// A part cannot go on; those that wait for it must not.
  void abandon() noexcept;

 private:
  std::vector<at::Tensor> parameters_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<int64_t> given_;  // the stages that each part has given, by count
  bool abandoned_ = false;
};

/// Learns the parts of a micro-batch on the threads of the PassThreads around: learn(part, sum) gives the sum its
/// gradients and returns its loss, in nats. The sum of the losses. What the first part that fails throws is thrown on.
double learn_parts(const Parameters& parameters, int64_t count,
                   const std::function<double(int64_t part, GradientSum& sum)>& learn);

}  // namespace dstorch::training
