#include "dstorch/model_source.h"

#include "core/json.h"
#include "core/throw.h"

namespace dstorch {
namespace {

namespace fs = std::filesystem;

std::optional<fs::path> config_in(const fs::path& directory) {
  std::error_code ignored;
  const auto config = directory / "config.json";
  return fs::exists(config, ignored) ? std::optional(config) : std::nullopt;
}

/// A model that is only described has no weights yet.
std::shared_ptr<const Checkpoint> weights_in(const fs::path& directory, CheckpointAccess access) {
  try {
    return Checkpoint::open(directory, access);
  } catch (const LMError& error) {
    if (error.kind() != ErrorKind::not_found) {
      throw;
    }
    return nullptr;
  }
}

bool is_config(const fs::path& path) { return path.extension() == ".json" && !path.string().ends_with(".index.json"); }

ModelSource::Kind kind_of(const Checkpoint& checkpoint, bool configured) {
  if (checkpoint.kind() == CheckpointKind::torchscript) {
    return ModelSource::Kind::torchscript;
  }
  if (!linear_stack(checkpoint).empty()) {
    return ModelSource::Kind::plain_network;
  }
  return configured ? ModelSource::Kind::language_model : ModelSource::Kind::tensors;
}

}  // namespace

std::optional<std::string> ModelSource::architecture() const {
  if (kind == Kind::plain_network) {
    return "simple_transformer";
  }
  if (!config) {
    return std::nullopt;
  }
  try {
    return json_get<std::string>(read_json(*config), "model_type", config->string());
  } catch (const LMError&) {
    return std::nullopt;  // whoever needs the config says what is wrong with it
  }
}

ModelSource resolve(const fs::path& path, CheckpointAccess access) {
  require(fs::exists(path), ErrorKind::not_found, "there is nothing at {}", path.string());
  ModelSource source;
  if (fs::is_directory(path)) {
    source.directory = path;
    source.config = config_in(path);
    if (source.config) {
      source.kind = ModelSource::Kind::language_model;
      source.checkpoint = weights_in(path, access);
      return source;
    }
  } else {
    source.directory = fs::absolute(path).parent_path();
    if (is_config(path)) {
      source.kind = ModelSource::Kind::language_model;
      source.config = path;
      return source;
    }
    source.config = config_in(source.directory);
  }
  source.checkpoint = Checkpoint::open(path, access);
  source.kind = kind_of(*source.checkpoint, source.config.has_value());
  return source;
}

}  // namespace dstorch
