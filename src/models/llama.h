#pragma once

#include "models/registry.h"

namespace dstorch::models {

/// The Llama family: Llama 2 and 3, SmolLM2 (model_type llama), Mistral, Qwen2, Qwen3, SmolLM3, Granite. What differs
/// between them is in their configs.
std::shared_ptr<LanguageModel> create_llama(const Json& config, nn::WeightSource& weights, const ModelOptions& options);

}  // namespace dstorch::models
