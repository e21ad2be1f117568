#pragma once

#include "models/registry.h"

namespace dstorch::models {

/// GPT-2 (Radford et al. 2019).
std::shared_ptr<LanguageModel> create_gpt2(const Json& config, nn::WeightSource& weights, const ModelOptions& options);

}  // namespace dstorch::models
