#pragma once

#include <functional>
#include <memory>

#include "dstorch/checkpoint.h"
#include "dstorch/torch_model.h"
#include "engine/engine_config.h"

namespace dstorch::driver {

/// A model that guesses for another.
struct DraftModel {
  engine::DraftModelConfig engine;
  std::shared_ptr<const Checkpoint> checkpoint;
  /// What a pass of it takes, as `MemoryBounds::pass` without adapters.
  std::function<int64_t(int64_t rows, int64_t positions, int64_t sequences)> pass;
};

/// That of `config.draft_model_path`, which must be set, for an engine of `target`. Throws LMError: unsupported where
/// guesses could change an answer, invalid_argument for another vocabulary, and as loading does.
DraftModel load_draft_model(const TorchModelConfig& config, const engine::EngineConfig& target);

}  // namespace dstorch::driver
