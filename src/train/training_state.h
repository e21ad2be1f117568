#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "train/optimizer.h"
#include "train/parameters.h"

namespace dstorch::training {

/// What must be the same for a stopped run to go on as if never stopped; by name, e.g. "seed" -> "0".
using RunIdentity = std::map<std::string, std::string>;

/// What a run has reached besides weights and moments.
struct RunProgress {
  /// Steps done.
  int64_t step = 0;
  double loss = 0;

  /// Of a run that may stop early: the lowest held-out loss, evaluations since then, whether it stopped.
  std::optional<double> best_loss{};
  int64_t worse = 0;
  bool stopped = false;
};

/// Writes weights, AdamW's moments and progress as one safetensors file; what was there before stays until the new
/// file is whole. Of a run that may stop early `best` are the weights with the lowest held-out loss, in the order of
/// `parameters`; else it is empty. Throws LMError{io}.
void save_training_state(const std::filesystem::path& path, const Parameters& parameters, const Optimizer& optimizer,
                         const RunProgress& progress, const RunIdentity& identity,
                         const std::vector<at::Tensor>& best = {});

/// Reads it back into `parameters`, `optimizer` and `best`. Throws LMError: invalid_argument, naming each difference,
/// when the state is of another run; format when the file is none of ours, or damaged (nothing was read back then).
RunProgress load_training_state(const std::filesystem::path& path, const Parameters& parameters, Optimizer& optimizer,
                                const RunIdentity& identity, std::vector<at::Tensor>* best = nullptr);

/// Whether there is a state at `path` that a run of `identity` can go on from. Reads it whole.
bool is_training_state_of(const std::filesystem::path& path, const RunIdentity& identity);

}  // namespace dstorch::training
