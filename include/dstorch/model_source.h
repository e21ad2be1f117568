#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "dstorch/checkpoint.h"

namespace dstorch {

/// What a model's path leads to: the one answer for loading, planning and listing.
struct ModelSource {
  enum class Kind {
    /// A model directory, one of the files of weights in it, or a config.json alone.
    language_model,
    /// A state dict that is a stack of linear layers (see `linear_stack`), also where a config.json lies beside it.
    plain_network,
    /// A TorchScript archive.
    torchscript,
    /// Tensors that nothing says the use of.
    tensors,
  };
  Kind kind = Kind::tensors;
  /// Where the files lie that go with the weights: config.json, a tokenizer, a chat template.
  std::filesystem::path directory;
  /// The config.json of a language model, or the one beside another kind.
  std::optional<std::filesystem::path> config;
  /// The weights; null where a language model has none yet (no file of weights beside its config.json).
  std::shared_ptr<const Checkpoint> checkpoint;

  /// "simple_transformer" for a plain network, else the config's `model_type` where it says one.
  [[nodiscard]] std::optional<std::string> architecture() const;
};

/// A directory with a config.json is a language model, whatever else is in it. Of a file its content decides first, and
/// then the config.json beside it. Opens the weights with `access`; reads none. Throws LMError: not_found where there
/// is nothing, and as `Checkpoint::open`.
ModelSource resolve(const std::filesystem::path& path, CheckpointAccess access = CheckpointAccess::map);

}  // namespace dstorch
