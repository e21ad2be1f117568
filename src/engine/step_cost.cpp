#include "engine/step_cost.h"

#include <algorithm>
#include <cmath>

namespace dstorch::engine {
namespace {

/// What another row costs of a step of one, until it is known better.
constexpr double kRow = 0.07;
/// A step that took longer than this says something about the machine, and not about its rows.
constexpr double kMostError = 0.5;
/// The least part of what a step says that is believed of its number of rows.
constexpr double kLeastTrust = 0.1;
/// The part of the rest that is believed of the machine.
constexpr double kUnitTrust = 0.3;
/// What is believed of numbers of rows that do not come any more goes back to what was believed first.
constexpr double kRemembered = 0.9999;
/// How far what is seen of one number of rows says something of its neighbours: half as much with each.
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
  // What is known well of these rows is not doubted: the machine is slower than it was.
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
        learned_[other] += trust * error * part / (1 + steps_[other]);  // one that was seen itself is known better
      }
    }
  }
}

}  // namespace dstorch::engine
