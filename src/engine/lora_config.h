#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "models/language_model.h"

namespace dstorch::engine {

/// Whether `pattern`, a regular expression, matches the whole of `text`. Throws LMError: format, unsupported.
bool matches_whole(const std::string& pattern, std::string_view text);

/// What an adapter changes and by how much, in the words of PEFT's adapter_config.json.
struct LoraConfig {
  int64_t rank = 16;
  double alpha = 32;
  double dropout = 0;
  /// Scales by alpha / sqrt(rank) instead of alpha / rank (Kalajdzievski 2023).
  bool rslora = false;

  /// A regular expression for whole names of modules; goes before `targets`. "all-linear" is every linear layer but
  /// the head.
  std::optional<std::string> target_pattern;
  /// Names of modules, or what they end with after a dot.
  std::vector<std::string> targets;
  /// Numbers of the layers that are changed; empty: all.
  std::vector<int64_t> layers;
  std::vector<std::string> layers_patterns;
  std::optional<std::string> exclude_pattern;
  std::vector<std::string> excludes;
  /// Modules that are replaced whole.
  std::vector<std::string> modules_to_save;
  /// Whether the adapter makes a classifier of a model that predicts tokens (task_type SEQ_CLS).
  bool classifies = false;
  /// In the order of the file, as the first pattern that matches counts.
  std::vector<std::pair<std::string, int64_t>> rank_pattern;
  std::vector<std::pair<std::string, double>> alpha_pattern;
  std::string base_model;

  /// Reads the text of an adapter_config.json; `where` names the file in errors. Throws LMError: format; unsupported,
  /// naming what it uses beyond LoRA (DoRA, biases, ...).
  static LoraConfig from_json(std::string_view text, const std::string& where);

  /// Whether the linear layer of this name is changed in a model of these parts: "all-linear" leaves its head out.
  [[nodiscard]] bool changes(const std::string& module, const models::ModelParts& parts) const;
  /// Whether the module is replaced whole.
  [[nodiscard]] bool replaces(const std::string& module) const;
  [[nodiscard]] int64_t rank_of(const std::string& module) const;
  [[nodiscard]] double alpha_of(const std::string& module) const;
  /// The factor of the product of the two matrices.
  [[nodiscard]] double scale_of(const std::string& module) const;
};

/// The adapter_config.json of an adapter that changes `modules`. `conv1d`: whether the base model stores their weights
/// as [in, out].
OrderedJson to_peft_json(const LoraConfig& config, const std::vector<std::string>& modules, bool conv1d);

}  // namespace dstorch::engine
