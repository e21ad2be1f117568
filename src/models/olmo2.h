#pragma once

#include "models/registry.h"

namespace dstorch::models {

/// OLMo 2 (model_type olmo2).
std::shared_ptr<LanguageModel> create_olmo2(const Json& config, nn::WeightSource& weights, const ModelOptions& options);

}  // namespace dstorch::models
