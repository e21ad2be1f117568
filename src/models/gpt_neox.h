#pragma once

#include "models/registry.h"

namespace dstorch::models {

/// GPT-NeoX and Pythia (model_type gpt_neox).
std::shared_ptr<LanguageModel> create_gpt_neox(const Json& config, nn::WeightSource& weights,
                                               const ModelOptions& options);

}  // namespace dstorch::models
