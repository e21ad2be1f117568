#pragma once

#include <cstdint>

namespace dstorch::text::constraint {

/// While one is there, what its thread works out for a constraint may take so many steps and no more: a constraint
/// comes from somewhere, and a small one may be made to take forever. A step is about ten nanoseconds. The innermost
/// counts.
class EffortLimit {
 public:
  explicit EffortLimit(int64_t steps = kMostSteps) : left_(steps), outer_(current) { current = this; }
  ~EffortLimit() { current = outer_; }
  EffortLimit(const EffortLimit&) = delete;
  EffortLimit& operator=(const EffortLimit&) = delete;

  [[nodiscard]] int64_t left() const noexcept { return left_; }

 private:
  friend void spend(int64_t steps);
  static constexpr int64_t kMostSteps = 40'000'000;

  int64_t left_;
  EffortLimit* outer_;
  static thread_local EffortLimit* current;
};

/// Takes steps from the limit of this thread, if there is one. Throws LMError{unsupported} when there are none left.
void spend(int64_t steps);

}  // namespace dstorch::text::constraint
