#pragma once

#include <cstdint>

#include "engine/step_cost.h"

namespace dstorch::engine {

/// The tokens that a step is expected to make, and the seconds it takes, as guesses are added to it.
class Pace {
 public:
  /// Of a step of `rows` rows; `pass`: seconds of a pass of the model that guesses, 0 until that is known.
  Pace(int64_t rows, const StepCost& cost, double pass)
      : cost_(cost),
        rows_(rows),
        tokens_(static_cast<double>(rows)),
        seconds_(cost.seconds(rows)),
        pass_(pass > 0 ? pass : kFirstPass * seconds_) {}

  /// One pass more of the model that guesses, and `rows` more in the step, which bring so many tokens: whether that is
  /// at least `worth` times as fast.
  bool gains(double tokens, int64_t rows, double worth) {
    const auto seconds = pass_ + cost_.seconds(rows_ + rows) - cost_.seconds(rows_);
    const bool faster = (tokens_ + tokens) * seconds_ > worth * tokens_ * (seconds_ + seconds);
    tokens_ += tokens;
    seconds_ += seconds;
    rows_ += rows;
    return faster;
  }

 private:
  /// What a pass of the model that guesses takes of a step, until it was measured.
  static constexpr double kFirstPass = 0.25;

  const StepCost& cost_;
  int64_t rows_;
  double tokens_;
  double seconds_;
  double pass_;
};

}  // namespace dstorch::engine
