#pragma once

#include <torch/nn/module.h>

#include <filesystem>
#include <string>
#include <vector>

#include "core/json.h"
#include "dstorch/dtype.h"
#include "dstorch/tokenizer.h"

namespace dstorch::training {

/// What is written beside the weights; read before training starts, so that nothing can go missing meanwhile.
struct ModelFiles {
  OrderedJson config;
  std::string tokenizer_json;
  OrderedJson tokenizer_config;
  OrderedJson generation_config;
  /// Where they were read.
  std::vector<std::filesystem::path> sources;
  /// In the metadata of the weights, so that a later run can tell whether it wrote them; see output_directory.h.
  std::string run_mark;
};

/// Reads `config` and the tokenizer's files. What the tokenizer knows is filled in where the config does not say it:
/// vocab_size, eos_token_id. `tokenizer_path`: a tokenizer.json or a directory with one. Throws LMError.
ModelFiles read_model_files(const std::filesystem::path& config, const std::filesystem::path& tokenizer_path,
                            const Tokenizer& tokenizer);

/// Writes a Hugging Face model directory, its weights as `dtype` (float32, bfloat16 or float16). Files there are
/// replaced one by one, each only by a whole one. Throws LMError{io}.
void write_model_directory(const std::filesystem::path& directory, const torch::nn::Module& model,
                           const ModelFiles& files, DType dtype);

}  // namespace dstorch::training
