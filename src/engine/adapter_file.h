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
  std::shared_ptr<const Checkpoint> weights;  // owns the bytes that the views refer to
  std::map<std::string, Pair> linear;         // by module: a [rank, in], b [out, rank]
  std::map<std::string, Pair> embedding;      // a [rank, count], b [features, rank]
  /// By module: frozen weights of the base model, which peft saves beside changes of its embeddings. They are not used,
  /// since the model has them already.
  std::map<std::string, const TensorView*> base;
  /// By parameter: the weights of modules that are replaced whole.
  std::map<std::string, const TensorView*> replaced;

  /// The weights in `replaced`, by parameter, as tensors on `device`, in `dtype` or, where that is unset, in the file's
  /// own.
  [[nodiscard]] std::map<std::string, at::Tensor> replacements(const at::Device& device,
                                                               std::optional<at::ScalarType> dtype) const;
  /// The config.json of the base model with this adapter applied: `of_base` itself, or, where the adapter makes a
  /// classifier, `of_base` with the class names of the config.json beside the adapter. Throws LMError{format}.
  [[nodiscard]] OrderedJson config_on(OrderedJson of_base) const;

  /// Throws LMError: not_found, format when the two files contradict each other or themselves, unsupported for methods
  /// other than LoRA.
  static AdapterFile open(const std::filesystem::path& directory);
};

/// Every linear layer of `model` by name, and every table of vectors.
std::map<std::string, const nn::Linear*> linear_layers(const torch::nn::Module& model);
std::map<std::string, const nn::Embedding*> embedding_tables(const torch::nn::Module& model);

/// Throws LMError{format} unless `file` has matrices of the right shapes for exactly those layers of `model` that its
/// config targets.
void require_fits(const AdapterFile& file, const models::LanguageModel& model);

/// The adapter in `file` for `model`, its numbers copied to the model's device as float32. Modules that are replaced
/// whole must have been replaced in `model` already. Throws LMError as `require_fits`.
std::shared_ptr<const nn::Adapter> load_adapter(const AdapterFile& file, const models::LanguageModel& model);

}  // namespace dstorch::engine
