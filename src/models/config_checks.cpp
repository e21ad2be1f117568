#include "models/config_checks.h"

namespace dstorch::models {

int64_t get_size(const Json& config, const std::string& key) {
  const auto value = json_get<int64_t>(config, key, "config.json");
  require(value >= 1 && value <= kMaxDimension, ErrorKind::format, "config.json: {} must be between 1 and {}, got {}",
          key, kMaxDimension, value);
  return value;
}

int64_t get_size_or(const Json& config, const std::string& key, int64_t fallback) {
  return config.contains(key) && !config[key].is_null() ? get_size(config, key) : fallback;
}

int64_t get_size_unless_missing(const Json& config, const std::string& key, int64_t fallback) {
  return config.contains(key) ? get_size(config, key) : fallback;
}

void require_head_groups(int64_t heads, int64_t kv_heads) {
  require(heads % kv_heads == 0, ErrorKind::format,
          "config.json: num_attention_heads must be a multiple of num_key_value_heads, got {} and {}", heads, kv_heads);
}

std::optional<std::vector<bool>> sliding_layers(const Json& config, int64_t layers) {
  if (!config.contains("layer_types") || config["layer_types"].is_null()) {
    return std::nullopt;
  }
  const auto kinds = json_get<std::vector<std::string>>(config, "layer_types", "config.json");
  require(static_cast<int64_t>(kinds.size()) == layers, ErrorKind::format,
          "config.json: layer_types must name each of the {} layers, it names {}", layers, kinds.size());
  std::vector<bool> sliding;
  for (const auto& kind : kinds) {
    const bool known = kind == "sliding_attention" || kind == "full_attention" || kind == "attention";
    require(known, ErrorKind::unsupported,
            "config.json: layer_types must be full_attention or sliding_attention, got \"{}\"", kind);
    sliding.push_back(kind == "sliding_attention");
  }
  return sliding;
}

void require_known_layers(const Json& config, int64_t layers) { (void)sliding_layers(config, layers); }

ops::Activation parse_activation(const std::string& name) {
  if (name == "silu" || name == "swish") {
    return ops::Activation::silu;
  }
  if (name == "gelu") {
    return ops::Activation::gelu;
  }
  if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_fast") {
    return ops::Activation::gelu_tanh;
  }
  if (name == "relu") {
    return ops::Activation::relu;
  }
  fail(ErrorKind::unsupported,
       "config.json: the activation must be silu, gelu, gelu_new, gelu_pytorch_tanh or relu, got \"{}\"", name);
}

}  // namespace dstorch::models
