#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "ops/types.h"

namespace dstorch::models {

/// No dimension of a language model comes near this; products of three of them stay inside int64.
inline constexpr int64_t kMaxDimension = int64_t{1} << 20;

/// `config[key]` as a count between 1 and kMaxDimension; throws LMError{format}.
int64_t get_size(const Json& config, const std::string& key);
/// The same, `fallback` when the key is missing or null.
int64_t get_size_or(const Json& config, const std::string& key, int64_t fallback);

/// The same, `fallback` only when the key is missing.
int64_t get_size_unless_missing(const Json& config, const std::string& key, int64_t fallback);

/// Checks that the query heads can be shared equally among the heads of keys and values. Throws LMError{format}.
void require_head_groups(int64_t heads, int64_t kv_heads);

/// `config[key]`, or `fallback` when the key is missing. Null is not missing: it is a value of the wrong type.
template <typename T>
T get_unless_missing(const Json& config, const std::string& key, T fallback) {
  return config.contains(key) ? json_get<T>(config, key, "config.json") : fallback;
}

/// By layer, whether it sees only a window, as `layer_types` says; empty where there is no such key. Throws LMError:
/// format; unsupported for other kinds of layers.
std::optional<std::vector<bool>> sliding_layers(const Json& config, int64_t layers);

/// For families without windows, where `layer_types` has no meaning: checks only that it names no unknown kind of
/// layer. Throws as sliding_layers does.
void require_known_layers(const Json& config, int64_t layers);

/// `hidden_act` as Hugging Face spells it. Throws LMError{unsupported}.
ops::Activation parse_activation(const std::string& name);

}  // namespace dstorch::models
