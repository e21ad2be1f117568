#pragma once

#include <cstdint>

#include "engine/step_cost.h"

namespace dstorch::engine {

/// The tokens that a step is expected to make and the seconds it is expected to take, while guesses are added to it.
/// One thread.
class Pace {
 public:
  /// Begins with a step of `rows` rows without guesses. `pass`: seconds of one pass of the draft model, 0 until that is
  /// known.
  Pace(int64_t rows, const StepCost& cost, double pass)
      : cost_(cost),
        rows_(rows),
        tokens_(static_cast<double>(rows)),
        seconds_(cost.seconds(rows)),
        pass_(pass > 0 ? pass : kFirstPass * seconds_) {}

  /// Adds one more pass of the draft model and `rows` more rows to the step, which are expected to bring `tokens`
  /// tokens. Returns whether the step makes at least `worth` times as many tokens per second as before.
  bool gains(double tokens, int64_t rows, double worth) {
    const auto seconds = pass_ + cost_.seconds(rows_ + rows) - cost_.seconds(rows_);
    const bool faster = (tokens_ + tokens) * seconds_ > worth * tokens_ * (seconds_ + seconds);
    tokens_ += tokens;
    seconds_ += seconds;
    rows_ += rows;
    return faster;
  }

 private:
  /// A pass of the draft model as a share of a step, assumed until it was measured.
  static constexpr double kFirstPass = 0.25;

  const StepCost& cost_;
  int64_t rows_;
  double tokens_;
  double seconds_;
  double pass_;
};

}  // namespace dstorch::engine
