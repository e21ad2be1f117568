#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "engine/lora_config.h"
#include "models/language_model.h"
#include "nn/adapter.h"
#include "train/parameters.h"

namespace dstorch::training {

/// The layers of `model` that `targets` name: the whole name of a layer or what it ends with after a dot, a regular
/// expression for whole names, or "all-linear", which are the linear layers of the blocks. Linear layers, the head of
/// its own included, and tables of vectors. Sorted. Throws LMError{invalid_argument} for a target that names none.
std::vector<std::string> target_layers(const models::LanguageModel& model, const std::vector<std::string>& targets);

/// Low-rank changes of a model that are trained.
class TrainableAdapter {
 public:
  /// Fresh ones for `layers`: one matrix drawn (from the seed and the layer's name), the other 0, so that nothing is
  /// changed yet.
  TrainableAdapter(const models::LanguageModel& model, engine::LoraConfig config,
                   const std::vector<std::string>& layers, uint64_t seed);

  /// Trains `parameter` of the model, which `module` has as its weight, whole beside the changes; it is saved with
  /// them.
  void keep_whole(const std::string& module, at::Tensor parameter);

  /// For passes; its numbers are the parameters themselves.
  [[nodiscard]] const nn::Adapter& adapter() const noexcept { return adapter_; }
  /// Named as in PEFT's files, without their prefix.
  [[nodiscard]] const Parameters& parameters() const noexcept { return parameters_; }
  /// Writes PEFT's two files. Throws LMError{io}.
  void save(const std::filesystem::path& directory) const;

 private:
  engine::LoraConfig config_;
  std::vector<std::string> layers_;
  bool conv1d_ = false;
  nn::Adapter adapter_;
  Parameters parameters_;
};

}  // namespace dstorch::training
