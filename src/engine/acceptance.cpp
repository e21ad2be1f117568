#include "engine/acceptance.h"

namespace dstorch::engine {
namespace {

/// Each new guess multiplies the older counts by this, so that about the last thirty guesses decide.
constexpr double kKept = 0.97;

}  // namespace

double Acceptance::chance(std::size_t of_class) const { return classes_[of_class].true_ones / classes_[of_class].all; }

double Acceptance::chance() const {
  double true_ones = 0;
  double all = 0;
  for (const auto& seen : classes_) {
    true_ones += seen.true_ones;
    all += seen.all;
  }
  return true_ones / all;
}

void Acceptance::learn(std::size_t of_class, bool came_true) {
  auto& seen = classes_[of_class];
  seen.true_ones = seen.true_ones * kKept + (came_true ? 1 : 0);
  seen.all = seen.all * kKept + 1;
}

void Acceptance::fade() {
  for (std::size_t i = 0; i < classes_.size(); ++i) {
    classes_[i].true_ones += (1 - kKept) * (first_[i].true_ones - classes_[i].true_ones);
    classes_[i].all += (1 - kKept) * (first_[i].all - classes_[i].all);
  }
}

}  // namespace dstorch::engine
