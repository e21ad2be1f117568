#include "engine/step_cost.h"

#include <algorithm>
#include <cmath>

namespace dstorch::engine {
namespace {

/// First guess: each further row costs this share of a step of one row.
constexpr double kRow = 0.07;
/// Errors (logarithms) are cut off here: a step that took far longer was disturbed by something else.
constexpr double kMostError = 0.5;
/// Learning rate of a number of rows that has been seen often.
constexpr double kLeastTrust = 0.1;
/// Learning rate of the seconds per unit, for the part of the error that the number of rows does not explain.
constexpr double kUnitTrust = 0.3;
/// With each step, what was learned of all numbers of rows shrinks by this factor towards the first guess.
constexpr double kRemembered = 0.9999;
/// How many neighbouring numbers of rows learn from a step too, each half as much as the one before.
constexpr std::size_t kNeighbours = 6;

double first_guess(std::size_t rows) { return 1 + kRow * (static_cast<double>(rows) - 1); }

}  // namespace

double StepCost::of(int64_t rows) const {
  const auto known = std::min(static_cast<std::size_t>(std::max<int64_t>(rows, 1)), kMostRows);
  const auto in_proportion = static_cast<double>(std::max<int64_t>(rows, 1)) / static_cast<double>(known);
  return first_guess(known) * std::exp(learned_[known]) * in_proportion;
}

double StepCost::seconds(int64_t rows) const { return begun_ ? of(rows) * std::exp(unit_) : 0; }

void StepCost::learn(int64_t rows, double seconds) {
  const auto here = static_cast<std::size_t>(rows);
  if (rows < 1 || here > kMostRows || !(seconds > 0)) {
    return;
  }
  const auto said = std::log(seconds / first_guess(here)) - learned_[here];
  if (!begun_) {
    unit_ = said;
    begun_ = true;
  }
  const auto error = std::clamp(said - unit_, -kMostError, kMostError);
  steps_[here] = std::min(steps_[here] + 1, 1 / kLeastTrust);
  // The more often this number of rows was seen, the more of the error is put down to the machine's present speed.
  const auto trust = std::max(kLeastTrust, 1 / (1 + steps_[here]));
  unit_ += kUnitTrust * (1 - trust) * error;
  for (auto& learned : learned_) {
    learned *= kRemembered;
  }
  learned_[here] += trust * error;
  double part = 1;
  for (std::size_t distance = 1; distance <= kNeighbours; ++distance) {
    part /= 2;
    for (const auto other : {here - std::min(here, distance), here + distance}) {
      if (other >= 1 && other <= kMostRows) {
        learned_[other] += trust * error * part / (1 + steps_[other]);  // the less, the more often it was seen itself
      }
    }
  }
}

}  // namespace dstorch::engine
