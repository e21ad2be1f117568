#include "models/llama.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "models/classes.h"
#include "models/config_checks.h"
#include "models/decoder.h"
#include "models/gated_mlp.h"
#include "models/split_attention.h"

namespace dstorch::models {
namespace {

struct LlamaConfig {
  ModelSizes sizes;
  int64_t intermediate_size = 0;
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  double norm_eps = 1e-6;
  bool qkv_bias = false;
  bool output_bias = false;
  bool mlp_bias = false;
  bool qk_norm = false;
  bool tied = false;
  // Granite's numbers: the first three multiply the tokens' vectors, q·k, and what each part adds to the residual
  // stream; logits are divided by the last.
  double embedding_scale = 1;
  double attention_scale = 1;
  double residual_scale = 1;
  double logit_divisor = 1;
  ops::Activation activation = ops::Activation::silu;
  std::vector<int64_t> sliding_window;  // by layer, 0 is all
  std::vector<bool> rotated;            // by layer
  nn::RopeConfig rope;
};

/// By layer, whether queries and keys are rotated. SmolLM3 leaves every fourth layer without positions.
std::vector<bool> rotated_layers(const Json& config, const std::string& type, int64_t layers) {
  std::vector<bool> rotated(static_cast<std::size_t>(layers), true);
  if (type != "smollm3") {
    return rotated;
  }
  const auto interval = get_size_unless_missing(config, "no_rope_layer_interval", 4);
  for (int64_t i = 0; i < layers; ++i) {
    rotated[static_cast<std::size_t>(i)] = (i + 1) % interval != 0;
  }
  if (config.contains("no_rope_layers") && !config["no_rope_layers"].is_null()) {
    // The key's name says "no rope", its ones mean rope.
    const auto flags = json_get<std::vector<int64_t>>(config, "no_rope_layers", "config.json");
    require(flags.size() >= rotated.size(), ErrorKind::format,
            "config.json: no_rope_layers must have a number for each of the {} layers, it has {}", layers,
            flags.size());
    std::transform(flags.begin(), flags.begin() + layers, rotated.begin(), [](int64_t flag) { return flag != 0; });
  }
  return rotated;
}

/// By layer, how many positions a query sees, its own included; 0 is all. `layer_types` decides, or else the older keys
/// of each family. The classes of Llama and Granite have no windows.
std::vector<int64_t> sliding_windows(const Json& config, const std::string& type, int64_t layers,
                                     const std::vector<bool>& rotated) {
  const bool is_mistral = type == "mistral" || type == "ministral";
  const bool is_qwen = type == "qwen2" || type == "qwen3";
  const bool has_windows = type != "llama" && type != "granite";
  const int64_t default_window = (is_mistral || is_qwen) && !config.contains("sliding_window") ? 4096 : 0;
  const bool knows_use = is_qwen || type == "smollm3";
  const bool used = knows_use && get_unless_missing(config, "use_sliding_window", false);
  const auto window = is_qwen && !used ? 0 : get_size_or(config, "sliding_window", default_window);
  const auto first = is_qwen ? get_unless_missing<int64_t>(config, "max_window_layers", 28) : layers;
  const auto named = sliding_layers(config, layers);
  std::vector<int64_t> windows(static_cast<std::size_t>(layers), 0);
  for (int64_t i = 0; i < layers && has_windows; ++i) {
    const auto index = static_cast<std::size_t>(i);
    // SmolLM3 slides where it does not rotate, Qwen from a first layer on, Mistral everywhere.
    const bool by_family = type == "smollm3" ? used && !rotated[index] : is_mistral || i >= first;
    const bool slides = named ? (*named)[index] : by_family && window != 0;
    require(!slides || window != 0, ErrorKind::format,
            "config.json: layer_types has sliding_attention, so sliding_window must be set{}",
            is_qwen ? ", and use_sliding_window be true" : "");
    windows[index] = slides ? window : 0;
  }
  return windows;
}

/// What Hugging Face's configuration classes assume for keys that config.json leaves out.
struct FamilyDefaults {
  int64_t num_kv_heads = 0;  // 0: as many as there are heads
  int64_t max_positions = 2048;
  double rope_theta = 10000.0;
  int64_t head_dim = 0;  // 0: hidden_size / heads
  bool tied = false;
};

FamilyDefaults family_defaults(const std::string& type) {
  if (type == "mistral" || type == "ministral") {
    return {.num_kv_heads = 8, .max_positions = 131072};
  }
  if (type == "qwen2") {
    return {.num_kv_heads = 32, .max_positions = 32768};
  }
  if (type == "qwen3") {
    return {.num_kv_heads = 32, .max_positions = 32768, .head_dim = 128};
  }
  if (type == "smollm3") {
    return {.num_kv_heads = 4, .max_positions = 32768, .rope_theta = 2000000.0, .tied = true};
  }
  return {};
}

/// One of Granite's numbers; 1, which changes nothing, for the other families.
double multiplier(const Json& json, const std::string& type, const char* key) {
  const auto value = type == "granite" ? get_unless_missing(json, key, 1.0) : 1.0;
  require(value > 0, ErrorKind::format, "config.json: {} must be above 0, got {}", key, value);
  return value;
}

/// A missing key takes the family's default. A key that is null is derived from the other sizes, for the families whose
/// class does so.
int64_t kv_heads(const Json& json, const std::string& type, int64_t family_default, int64_t heads) {
  if (!json.contains("num_key_value_heads")) {
    return family_default == 0 ? heads : family_default;
  }
  const bool may_be_null = type != "mistral" && type != "ministral";
  return may_be_null ? get_size_or(json, "num_key_value_heads", heads) : get_size(json, "num_key_value_heads");
}

int64_t head_dim_of(const Json& json, const std::string& type, int64_t family_default, int64_t share) {
  if (!json.contains("head_dim")) {
    return family_default == 0 ? share : family_default;
  }
  const bool may_be_null = type == "llama" || type == "mistral";
  return may_be_null ? get_size_or(json, "head_dim", share) : get_size(json, "head_dim");
}

LlamaConfig parse_llama_config(const Json& json) {
  constexpr std::string_view where = "config.json";
  LlamaConfig config;
  const auto type = json_get<std::string>(json, "model_type", where);
  config.sizes.model_type = type;
  config.sizes.vocab_size = get_size(json, "vocab_size");
  config.sizes.num_classes = std::ssize(class_names(json));
  config.sizes.hidden_size = get_size(json, "hidden_size");
  config.sizes.num_layers = get_size(json, "num_hidden_layers");
  const auto defaults = family_defaults(type);
  config.sizes.max_positions = get_unless_missing(json, "max_position_embeddings", defaults.max_positions);
  config.intermediate_size = get_size(json, "intermediate_size");
  config.num_heads = get_size(json, "num_attention_heads");
  config.num_kv_heads = kv_heads(json, type, defaults.num_kv_heads, config.num_heads);
  config.head_dim = head_dim_of(json, type, defaults.head_dim, config.sizes.hidden_size / config.num_heads);
  require(config.sizes.max_positions >= 1, ErrorKind::format, "{}: max_position_embeddings must be at least 1, got {}",
          where, config.sizes.max_positions);
  require_head_groups(config.num_heads, config.num_kv_heads);
  config.norm_eps = get_unless_missing(json, "rms_norm_eps", 1e-6);
  // A key that a family's class does not know has no effect in that family.
  const bool knows_mlp_bias = type == "llama" || type == "smollm3" || type == "granite";
  const bool knows_bias = knows_mlp_bias || type == "qwen3";
  config.output_bias = knows_bias && get_unless_missing(json, "attention_bias", false);
  config.qkv_bias = type == "qwen2" || config.output_bias;
  config.mlp_bias = knows_mlp_bias && get_unless_missing(json, "mlp_bias", false);
  config.qk_norm = type == "qwen3";
  config.tied = get_unless_missing(json, "tie_word_embeddings", defaults.tied);
  config.embedding_scale = multiplier(json, type, "embedding_multiplier");
  config.attention_scale = type == "granite" ? multiplier(json, type, "attention_multiplier")
                                             : 1.0 / std::sqrt(static_cast<double>(config.head_dim));
  config.residual_scale = multiplier(json, type, "residual_multiplier");
  config.logit_divisor = multiplier(json, type, "logits_scaling");
  config.activation = parse_activation(get_unless_missing<std::string>(json, "hidden_act", "silu"));
  config.rotated = rotated_layers(json, type, config.sizes.num_layers);
  config.sliding_window = sliding_windows(json, type, config.sizes.num_layers, config.rotated);
  config.rope = nn::RopeConfig::from_json(json, defaults.rope_theta, config.sizes.max_positions);
  config.sizes.max_positions = config.rope.most_positions(config.sizes.max_positions);
  config.sizes.num_heads = config.num_heads;
  config.sizes.num_kv_heads = config.num_kv_heads;
  config.sizes.head_dim = config.head_dim;
  config.sizes.intermediate_size = config.intermediate_size;
  config.sizes.tied = config.tied;
  return config;
}

class LlamaAttention : public SplitAttention {
 public:
  LlamaAttention(const LlamaConfig& config, const nn::WeightScope& scope, int64_t index)
      : SplitAttention(scope, config.sizes, config.qkv_bias, config.output_bias),
        rotation_(config.rotated[static_cast<std::size_t>(index)] ? std::optional<std::size_t>(0) : std::nullopt),
        residual_scale_(config.residual_scale) {
    config_.scale = config.attention_scale;
    config_.sliding_window = config.sliding_window[static_cast<std::size_t>(index)];
    if (config.qk_norm) {
      config_.query_norm = add_norm("q_norm", scope, config)->weights();
      config_.key_norm = add_norm("k_norm", scope, config)->weights();
    }
  }

  /// x [rows, hidden] + attention(norm(x))
  at::Tensor forward(at::Tensor x, const nn::Norm& norm, const nn::Pass& pass, const ops::LayerSlot& slot) {
    const auto qkv =
        pass.norm_linear(x, norm, {q_.get(), k_.get(), v_.get()});     // [rows, (heads + 2 * kv_heads) * head_dim]
    const auto mixed = pass.attention(qkv, config_, slot, rotation_);  // [rows, heads * head_dim]
    return pass.linear_residual(mixed, *o_, std::move(x), residual_scale_);
  }

 private:
  std::shared_ptr<nn::Norm> add_norm(const std::string& name, const nn::WeightScope& scope, const LlamaConfig& config) {
    return register_module(
        name, std::make_shared<nn::Norm>(scope / name, ops::NormKind::rms, config.head_dim, config.norm_eps));
  }

  std::optional<std::size_t> rotation_;
  double residual_scale_;
};

class LlamaLayer : public DecoderBlock {
 public:
  LlamaLayer(const LlamaConfig& config, const nn::WeightScope& scope, int64_t index)
      : residual_scale_(config.residual_scale),
        input_norm_(add_norm("input_layernorm", config, scope)),
        attention_(register_module("self_attn", std::make_shared<LlamaAttention>(config, scope / "self_attn", index))),
        post_norm_(add_norm("post_attention_layernorm", config, scope)),
        mlp_(register_module(
            "mlp", std::make_shared<GatedMlp>(scope / "mlp", config.sizes.hidden_size, config.intermediate_size,
                                              config.mlp_bias, config.activation))) {}

  /// x [rows, hidden] -> [rows, hidden]
  at::Tensor forward(at::Tensor x, const nn::Pass& pass, const ops::LayerSlot& slot) override {
    x = attention_->forward(std::move(x), *input_norm_, pass, slot);
    const auto gated = mlp_->inner(x, *post_norm_, pass);  // [rows, intermediate]
    return pass.linear_residual(gated, mlp_->down(), std::move(x), residual_scale_);
  }
  [[nodiscard]] int64_t window() const override { return attention_->window(); }

 private:
  std::shared_ptr<nn::Norm> add_norm(const std::string& name, const LlamaConfig& config, const nn::WeightScope& scope) {
    return register_module(
        name, std::make_shared<nn::Norm>(scope / name, ops::NormKind::rms, config.sizes.hidden_size, config.norm_eps));
  }

  double residual_scale_;
  std::shared_ptr<nn::Norm> input_norm_;
  std::shared_ptr<LlamaAttention> attention_;
  std::shared_ptr<nn::Norm> post_norm_;
  std::shared_ptr<GatedMlp> mlp_;
};

}  // namespace

std::shared_ptr<LanguageModel> create_llama(const Json& json, nn::WeightSource& weights, const ModelOptions& options) {
  const auto config = parse_llama_config(json);
  DecoderConfig decoder;
  decoder.sizes = config.sizes;
  decoder.norm_eps = config.norm_eps;
  decoder.embedding_scale = config.embedding_scale;
  decoder.logit_divisor = config.logit_divisor;
  const auto make_block = [&](const nn::WeightScope& scope, int64_t index) {
    return std::make_shared<LlamaLayer>(config, scope, index);
  };
  std::vector<std::unique_ptr<nn::Rope>> ropes;
  ropes.push_back(std::make_unique<nn::Rope>(config.rope, config.head_dim, options.device));
  return std::make_shared<Decoder>(decoder, weights, make_block, std::move(ropes));
}

}  // namespace dstorch::models
