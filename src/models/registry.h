#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "models/language_model.h"
#include "nn/weight_source.h"

namespace dstorch::models {

/// What a model is built with, besides its config.
struct ModelOptions {
  at::Device device = at::kCPU;
};

/// Builds the model that `config` (a Hugging Face config.json) describes, its parameters taken from `weights`.
/// Throws LMError: unsupported for an unknown model_type (the message lists the known ones), format for a config that
/// makes no sense.
std::shared_ptr<LanguageModel> create_model(const Json& config, nn::WeightSource& weights,
                                            const ModelOptions& options = {});

/// What transformers calls the classes of a known model_type, before "ForCausalLM" and the like. Throws
/// LMError{unsupported}.
std::string_view class_name(std::string_view model_type);

/// Every model_type `create_model` knows, sorted.
std::vector<std::string> known_model_types();

}  // namespace dstorch::models
