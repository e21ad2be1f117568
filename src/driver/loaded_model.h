#pragma once

#include <memory>

#include "core/json.h"
#include "dstorch/simple_transformer.h"
#include "dstorch/torch_model.h"
#include "generate/generator.h"
#include "models/scripted_lm.h"

namespace dstorch::driver {

/// What `TorchModel::init` makes of a config: a language model with its engine, or a plain network.
struct LoadedModel {
  ModelInfo info;
  std::unique_ptr<generate::Engine> engine;            // a language model
  std::shared_ptr<SimpleTransformer> plain;            // the plain architecture
  std::shared_ptr<models::ScriptedLM> plain_scripted;  // a TorchScript archive, as a plain network
  int64_t plain_input_size = 0;
};

/// Whether weights are converted to `weights_dtype`, whatever each of them is in the file.
bool converts_weights(const TorchModelConfig& config);

/// What weights are computed in: `config.dtype`, else float32 on webgl, else what most of the checkpoint's bytes are,
/// else (without one) the torch_dtype of config.json. Throws LMError{invalid_argument} for a dtype models cannot have.
DType weights_dtype(const TorchModelConfig& config, const Json& json, const Checkpoint* checkpoint);

/// Throws LMError with its root cause.
std::unique_ptr<LoadedModel> load_model(const TorchModelConfig& config);

/// A plain network's input for a prompt: [1, input_size], the prompt's length in characters when input_size is 1, else
/// its UTF-8 bytes / 255, zero-padded or cut.
at::Tensor plain_input(std::string_view prompt, int64_t input_size);

/// Its output as text: "Torch model output (shape: 1x10, values: v0, v1, ...)".
std::string plain_output(const at::Tensor& output);

}  // namespace dstorch::driver
