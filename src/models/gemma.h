#pragma once

#include "models/registry.h"

namespace dstorch::models {

/// Gemma 2, and the text model of Gemma 3 (model_type gemma3_text).
std::shared_ptr<LanguageModel> create_gemma(const Json& config, nn::WeightSource& weights, const ModelOptions& options);

}  // namespace dstorch::models
