#include "driver/class_scores.h"

#include <algorithm>
#include <cmath>

namespace dstorch::driver {

std::vector<ClassScore> class_scores(std::span<const float> logits, const std::vector<std::string>& names) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  std::vector<ClassScore> scores;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    scores.push_back({names[i], std::exp(logits[i] - largest)});
    sum += scores.back().probability;
  }
  for (auto& score : scores) {
    score.probability /= sum;
  }
  std::stable_sort(scores.begin(), scores.end(),
                   [](const ClassScore& a, const ClassScore& b) { return a.probability > b.probability; });
  return scores;
}

}  // namespace dstorch::driver
