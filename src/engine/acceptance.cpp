#include "engine/acceptance.h"

namespace dstorch::engine {
namespace {

/// What is left of older guesses with each new one: some thirty count.
constexpr double kKept = 0.97;

}  // namespace

std::size_t Acceptance::class_of(int64_t matched) {
  if (matched >= 8) {
    return 3;
  }
  return matched >= 4 ? 2 : matched >= 3 ? 1 : 0;
}

double Acceptance::chance(int64_t matched) const {
  const auto& seen = classes_[class_of(matched)];
  return seen.true_ones / seen.all;
}

void Acceptance::learn(int64_t matched, bool came_true) {
  auto& seen = classes_[class_of(matched)];
  seen.true_ones = seen.true_ones * kKept + (came_true ? 1 : 0);
  seen.all = seen.all * kKept + 1;
}

}  // namespace dstorch::engine
