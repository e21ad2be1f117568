#pragma once

#include "models/registry.h"

namespace dstorch::models {

/// Phi-3, Phi-3.5 and Phi-4 (model_type phi3).
std::shared_ptr<LanguageModel> create_phi3(const Json& config, nn::WeightSource& weights, const ModelOptions& options);

}  // namespace dstorch::models
