#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <variant>
#include <vector>

#include "core/json.h"
#include "driver/adapter_shelf.h"
#include "dstorch/simple_transformer.h"
#include "dstorch/torch_model.h"
#include "engine/engine.h"
#include "models/scripted_lm.h"
#include "text/chat/chat_model.h"

namespace dstorch::driver {

/// The plain architecture.
struct PlainModel {
  std::shared_ptr<SimpleTransformer> network;
  int64_t input_size = 0;
};

/// A TorchScript archive: a language model for token ids, a plain network for text without a tokenizer.
struct ScriptedModel {
  std::unique_ptr<engine::Engine> engine;
  std::shared_ptr<models::ScriptedLM> network;
  at::Device device = at::kCPU;
  int64_t input_size = 0;
};

/// A language model that was built here.
struct DecoderModel {
  std::unique_ptr<engine::Engine> engine;
};

/// What `TorchModel::init` makes of a config.
struct LoadedModel {
  explicit LoadedModel(std::shared_ptr<MemoryAccount> whose) : account(std::move(whose)) {}
  LoadedModel(const LoadedModel&) = delete;
  LoadedModel& operator=(const LoadedModel&) = delete;
  /// Gives the memory back in its account, whoever held it last.
  ~LoadedModel();

  std::shared_ptr<MemoryAccount> account;
  ModelInfo info;
  std::variant<PlainModel, ScriptedModel, DecoderModel> model;
  /// Of a language model that was built here; null for the others.
  std::shared_ptr<AdapterShelf> adapters;

  /// The config.json of a language model that was built here.
  std::string config_text;

  /// The files that weights are used from in place.
  std::vector<std::shared_ptr<const Checkpoint>> mapped;

  /// Null for the plain architecture.
  [[nodiscard]] engine::Engine* engine() const;

  /// Where a chat template is looked for, in this order.
  std::vector<std::filesystem::path> chat_directories;
  /// How to converse with it; read when it is first asked for, since a model is more than a conversation. Throws
  /// LMError: unsupported without a tokenizer, not_found without a template, format. Thread-safe.
  [[nodiscard]] std::shared_ptr<const text::ChatModel> chat() const;
  /// Throws LMError{io} when a file that weights are used from was written to: a call would read what is not the
  /// model's, or end the process where the file was cut.
  void check_files() const;
  /// What `read` says of the weights, which is asked once. Thread-safe.
  [[nodiscard]] std::string once_of_weights(const std::function<std::string()>& read) const;

 private:
  mutable std::once_flag weights_read_;
  mutable std::string of_weights_;
  mutable std::mutex chat_mutex_;
  mutable std::shared_ptr<const text::ChatModel> chat_;
};

/// How the files of weights are opened.
CheckpointAccess checkpoint_access(const TorchModelConfig& config);

/// Whether a directory has a tokenizer's files, by the names that `Tokenizer::load` looks for.
bool has_tokenizer(const std::filesystem::path& directory);

/// Whether weights are converted to `weights_dtype`, whatever each of them is in the file.
bool converts_weights(const TorchModelConfig& config);

/// What weights are computed in: `config.dtype`, else float32 on webgl, else what most of the checkpoint's bytes are,
/// else (without one) the torch_dtype of config.json. Throws LMError{invalid_argument} for a dtype models cannot have.
DType weights_dtype(const TorchModelConfig& config, const Json& json, const Checkpoint* checkpoint);

/// `account` is whose memory it is. Throws LMError with its root cause.
std::shared_ptr<LoadedModel> load_model(const TorchModelConfig& config, const std::shared_ptr<MemoryAccount>& account);

/// What a plain network puts out for a prompt.
at::Tensor plain_output(const LoadedModel& loaded, std::string_view prompt);

/// Its output as text: "Torch model output (shape: 1x10, values: v0, v1, ...)".
std::string describe_plain_output(const at::Tensor& output);

}  // namespace dstorch::driver
