#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "dstorch/checkpoint.h"
#include "engine/lora_config.h"
#include "models/language_model.h"
#include "nn/adapter.h"

namespace dstorch::engine {

/// An adapter as PEFT saves it: adapter_config.json beside adapter_model.safetensors (or .bin).
struct AdapterFile {
  /// The two matrices of a module.
  struct Pair {
    const TensorView* a = nullptr;
    const TensorView* b = nullptr;
  };

  std::filesystem::path directory;
  LoraConfig config;
  std::shared_ptr<const Checkpoint> weights;  // what the views lie in
  std::map<std::string, Pair> linear;         // by module: a [rank, in], b [out, rank]
  std::map<std::string, Pair> embedding;      // a [rank, count], b [features, rank]
  /// Frozen weights of the base that peft saves beside changes of its embeddings, by module. They are not used: the
  /// model has them.
  std::map<std::string, const TensorView*> base;
  /// Of modules that are replaced whole, by parameter.
  std::map<std::string, const TensorView*> replaced;

  /// The weights of `replaced` by parameter, as numbers on `device`: of `dtype`, or of the file's where it is unset.
  [[nodiscard]] std::map<std::string, at::Tensor> replacements(const at::Device& device,
                                                               std::optional<at::ScalarType> dtype) const;
  /// The config.json of the model that the adapter makes of one with `of_base` as config.json: a classifier's, with the
  /// classes' names from a config.json beside the adapter, if it is one. Throws LMError{format}.
  [[nodiscard]] OrderedJson config_on(OrderedJson of_base) const;

  /// Throws LMError: not_found, format for what fits neither the other file nor itself, unsupported for what is more
  /// than LoRA.
  static AdapterFile open(const std::filesystem::path& directory);
};

/// Every linear layer of `model` by name, and every table of vectors.
std::map<std::string, const nn::Linear*> linear_layers(const torch::nn::Module& model);
std::map<std::string, const nn::Embedding*> embedding_tables(const torch::nn::Module& model);

/// Throws LMError{format} unless `file` has matrices of the right shapes for just the layers of `model` that its config
/// targets.
void require_fits(const AdapterFile& file, const models::LanguageModel& model);

/// The adapter of `file` for `model`, its numbers copied to the model's device as float32; the model has what is
/// replaced whole already. Throws LMError as `require_fits`.
std::shared_ptr<const nn::Adapter> load_adapter(const AdapterFile& file, const models::LanguageModel& model);

}  // namespace dstorch::engine
