#pragma once

#include <span>
#include <string>
#include <vector>

#include "dstorch/torch_model.h"

namespace dstorch::driver {

/// The softmax of one logit a class, the likeliest first.
std::vector<ClassScore> class_scores(std::span<const float> logits, const std::vector<std::string>& names);

}  // namespace dstorch::driver
