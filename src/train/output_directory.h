#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "train/training_state.h"

namespace dstorch::training {

/// The state of a run in its output directory.
inline constexpr const char* kStateFile = "training_state.safetensors";

/// The one saved before it, of runs that keep two.
inline constexpr const char* kPreviousStateFile = "training_state.previous.safetensors";

/// The key, in the metadata of `model.safetensors`, of the mark of the run that wrote it.
inline constexpr const char* kRunMarkKey = "dstorch_run";

/// What tells the models of a run from those of all others.
std::string run_mark(const RunIdentity& identity);

/// Makes sure that a run which will write to `directory` destroys nothing of somebody else: throws
/// LMError{invalid_argument} that names files of a model there which no run of `identity` wrote. The `sources` of the
/// run may be there.
void require_own_directory(const std::filesystem::path& directory, const RunIdentity& identity,
                           std::span<const std::filesystem::path> sources);

/// The part of it that needs no identity, to be known before much is read: a directory without a state.
void require_no_model_without_state(const std::filesystem::path& directory,
                                    std::span<const std::filesystem::path> sources);

/// Removes what killed runs left of files they were writing to `directory`. Throws LMError{invalid_argument} when
/// something there that a run replaces is no regular file.
void clean_directory(const std::filesystem::path& directory);

}  // namespace dstorch::training
