#include "models/llama.h"

#include <algorithm>
#include <cmath>

#include "models/config_checks.h"
#include "nn/layers.h"
#include "nn/rope.h"
#include "ops/attention.h"
#include "ops/linear_residual.h"
#include "ops/norm.h"
#include "ops/norm_linear.h"
#include "ops/norm_mlp.h"

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
  ops::Activation activation = ops::Activation::silu;
  std::vector<int64_t> sliding_window;  // by layer, 0 is all
  std::vector<bool> rotated;            // by layer
  nn::RopeConfig rope;
};

/// Which layers look back only a window: as `layer_types` says, else by each family's older keys.
std::vector<int64_t> sliding_windows(const Json& config, const std::string& type, int64_t layers,
                                     const std::vector<bool>& rotated) {
  std::vector<int64_t> windows(static_cast<std::size_t>(layers), 0);
  const int64_t default_window = type == "llama" || type == "smollm3" || config.contains("sliding_window") ? 0 : 4096;
  const auto window = get_size_or(config, "sliding_window", default_window);
  const bool may_slide = type == "qwen2" || type == "qwen3" || type == "smollm3";
  const bool used = type == "mistral" || (may_slide && json_get_or(config, "use_sliding_window", false, "config.json"));
  if (window == 0 || !used) {
    return windows;
  }
  // Mistral slides in every layer, whatever else its config says.
  const auto kinds = json_get_or(type == "mistral" ? Json::object() : config, "layer_types", std::vector<std::string>{},
                                 "config.json");
  const auto first = type == "mistral" ? 0 : json_get_or<int64_t>(config, "max_window_layers", 28, "config.json");
  for (int64_t i = 0; i < layers; ++i) {
    const auto index = static_cast<std::size_t>(i);
    // SmolLM3 slides where it does not rotate; the others from a first layer on.
    const bool slides =
        index < kinds.size() ? kinds[index] == "sliding_attention" : (type == "smollm3" ? !rotated[index] : i >= first);
    windows[index] = slides ? window : 0;
  }
  return windows;
}

/// SmolLM3 leaves every fourth layer without positions.
std::vector<bool> rotated_layers(const Json& config, const std::string& type, int64_t layers) {
  std::vector<bool> rotated(static_cast<std::size_t>(layers), true);
  if (type != "smollm3") {
    return rotated;
  }
  // The key's name says "no rope", its ones mean rope.
  const auto flags = json_get_or(config, "no_rope_layers", std::vector<int64_t>{}, "config.json");
  const auto interval = get_size_or(config, "no_rope_layer_interval", 4);
  for (int64_t i = 0; i < layers; ++i) {
    const auto index = static_cast<std::size_t>(i);
    rotated[index] = index < flags.size() ? flags[index] != 0 : (i + 1) % interval != 0;
  }
  return rotated;
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
  if (type == "mistral") {
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

/// A key that is missing takes the family's default, one that is null as many as there are heads.
int64_t kv_heads(const Json& json, int64_t family_default, int64_t heads) {
  const int64_t fallback = json.contains("num_key_value_heads") || family_default == 0 ? heads : family_default;
  return get_size_or(json, "num_key_value_heads", fallback);
}

LlamaConfig parse_config(const Json& json) {
  constexpr std::string_view where = "config.json";
  LlamaConfig config;
  const auto type = json_get<std::string>(json, "model_type", where);
  config.sizes.model_type = type;
  config.sizes.vocab_size = get_size(json, "vocab_size");
  config.sizes.hidden_size = get_size(json, "hidden_size");
  config.sizes.num_layers = get_size(json, "num_hidden_layers");
  const auto defaults = family_defaults(type);
  config.sizes.max_positions = json_get_or(json, "max_position_embeddings", defaults.max_positions, where);
  config.intermediate_size = get_size(json, "intermediate_size");
  config.num_heads = get_size(json, "num_attention_heads");
  config.num_kv_heads = kv_heads(json, defaults.num_kv_heads, config.num_heads);
  config.head_dim = get_size_or(
      json, "head_dim", defaults.head_dim != 0 ? defaults.head_dim : config.sizes.hidden_size / config.num_heads);
  require(config.sizes.max_positions >= 1, ErrorKind::format, "{}: max_position_embeddings must be at least 1, got {}",
          where, config.sizes.max_positions);
  require(config.num_heads % config.num_kv_heads == 0, ErrorKind::format,
          "{}: num_attention_heads must be a multiple of num_key_value_heads, got {} and {}", where, config.num_heads,
          config.num_kv_heads);
  config.norm_eps = json_get_or(json, "rms_norm_eps", 1e-6, where);
  const bool attention_bias = json_get_or(json, "attention_bias", false, where);
  config.qkv_bias = type == "qwen2" || attention_bias;
  config.output_bias = type != "qwen2" && attention_bias;
  config.mlp_bias = json_get_or(json, "mlp_bias", false, where);
  config.qk_norm = type == "qwen3";
  config.tied = json_get_or(json, "tie_word_embeddings", defaults.tied, where);
  config.activation = parse_activation(json_get_or<std::string>(json, "hidden_act", "silu", where));
  config.rotated = rotated_layers(json, type, config.sizes.num_layers);
  config.sliding_window = sliding_windows(json, type, config.sizes.num_layers, config.rotated);
  config.rope = nn::RopeConfig::from_json(json, defaults.rope_theta, config.sizes.max_positions);
  config.sizes.num_heads = config.num_heads;
  config.sizes.num_kv_heads = config.num_kv_heads;
  config.sizes.head_dim = config.head_dim;
  config.sizes.intermediate_size = config.intermediate_size;
  config.sizes.rotated_layers = std::count(config.rotated.begin(), config.rotated.end(), true);
  config.sizes.gated_mlp = true;
  config.sizes.rms_norm = true;
  config.sizes.qk_norm = config.qk_norm;
  config.sizes.tied = config.tied;
  return config;
}

class LlamaAttention : public torch::nn::Module {
 public:
  LlamaAttention(const LlamaConfig& config, const nn::WeightScope& scope)
      : q_(add("q_proj", scope, config.sizes.hidden_size, config.num_heads * config.head_dim, config.qkv_bias)),
        k_(add("k_proj", scope, config.sizes.hidden_size, config.num_kv_heads * config.head_dim, config.qkv_bias)),
        v_(add("v_proj", scope, config.sizes.hidden_size, config.num_kv_heads * config.head_dim, config.qkv_bias)),
        o_(add("o_proj", scope, config.num_heads * config.head_dim, config.sizes.hidden_size, config.output_bias)) {
    if (config.qk_norm) {
      q_norm_ = register_module(
          "q_norm", std::make_shared<nn::Norm>(scope / "q_norm", ops::NormKind::rms, config.head_dim, config.norm_eps));
      k_norm_ = register_module(
          "k_norm", std::make_shared<nn::Norm>(scope / "k_norm", ops::NormKind::rms, config.head_dim, config.norm_eps));
    }
  }

  [[nodiscard]] std::array<ops::LinearWeights, 3> qkv() const { return {q_->weights(), k_->weights(), v_->weights()}; }
  [[nodiscard]] ops::LinearWeights output() const { return o_->weights(); }
  [[nodiscard]] ops::NormWeights q_norm() const { return q_norm_ ? q_norm_->weights() : ops::NormWeights{}; }
  [[nodiscard]] ops::NormWeights k_norm() const { return k_norm_ ? k_norm_->weights() : ops::NormWeights{}; }

 private:
  std::shared_ptr<nn::Linear> add(const std::string& name, const nn::WeightScope& scope, int64_t in, int64_t out,
                                  bool bias) {
    return register_module(name, std::make_shared<nn::Linear>(scope / name, in, out, bias));
  }

  std::shared_ptr<nn::Linear> q_, k_, v_, o_;
  std::shared_ptr<nn::Norm> q_norm_, k_norm_;
};

class LlamaMlp : public torch::nn::Module {
 public:
  LlamaMlp(const LlamaConfig& config, const nn::WeightScope& scope)
      : gate_(add("gate_proj", scope, config.sizes.hidden_size, config.intermediate_size, config.mlp_bias)),
        up_(add("up_proj", scope, config.sizes.hidden_size, config.intermediate_size, config.mlp_bias)),
        down_(add("down_proj", scope, config.intermediate_size, config.sizes.hidden_size, config.mlp_bias)) {}

  [[nodiscard]] ops::LinearWeights gate() const { return gate_->weights(); }
  [[nodiscard]] ops::LinearWeights up() const { return up_->weights(); }
  [[nodiscard]] ops::LinearWeights down() const { return down_->weights(); }

 private:
  std::shared_ptr<nn::Linear> add(const std::string& name, const nn::WeightScope& scope, int64_t in, int64_t out,
                                  bool bias) {
    return register_module(name, std::make_shared<nn::Linear>(scope / name, in, out, bias));
  }

  std::shared_ptr<nn::Linear> gate_, up_, down_;
};

class LlamaLayer : public torch::nn::Module {
 public:
  LlamaLayer(const LlamaConfig& config, const nn::WeightScope& scope, int64_t index)
      : activation_(config.activation),
        rotated_(config.rotated[static_cast<std::size_t>(index)]),
        input_norm_(add_norm("input_layernorm", config, scope)),
        attention_(register_module("self_attn", std::make_shared<LlamaAttention>(config, scope / "self_attn"))),
        post_norm_(add_norm("post_attention_layernorm", config, scope)),
        mlp_(register_module("mlp", std::make_shared<LlamaMlp>(config, scope / "mlp"))) {
    attention_config_.num_heads = config.num_heads;
    attention_config_.num_kv_heads = config.num_kv_heads;
    attention_config_.head_dim = config.head_dim;
    attention_config_.scale = 1.0 / std::sqrt(static_cast<double>(config.head_dim));
    attention_config_.sliding_window = config.sliding_window[static_cast<std::size_t>(index)];
    attention_config_.query_norm = attention_->q_norm();
    attention_config_.key_norm = attention_->k_norm();
  }

  /// x [batch, seq, hidden] -> [batch, seq, hidden]; x may be overwritten when no gradient is asked for.
  at::Tensor forward(at::Tensor x, const ops::RopeTable& rope, ops::LayerCache* cache, int64_t position) {
    const auto qkv = ops::norm_linear(x, input_norm_->weights(), attention_->qkv());
    const auto mixed = ops::attention(qkv, attention_config_, rotated_ ? rope : ops::RopeTable{}, cache, position);
    x = ops::linear_residual(mixed, attention_->output(), std::move(x));
    const auto gated = ops::norm_mlp(x, post_norm_->weights(), mlp_->gate(), mlp_->up(), activation_);
    return ops::linear_residual(gated, mlp_->down(), std::move(x));
  }

 private:
  std::shared_ptr<nn::Norm> add_norm(const std::string& name, const LlamaConfig& config, const nn::WeightScope& scope) {
    return register_module(
        name, std::make_shared<nn::Norm>(scope / name, ops::NormKind::rms, config.sizes.hidden_size, config.norm_eps));
  }

  ops::Activation activation_;
  bool rotated_;
  ops::AttentionConfig attention_config_;
  std::shared_ptr<nn::Norm> input_norm_;
  std::shared_ptr<LlamaAttention> attention_;
  std::shared_ptr<nn::Norm> post_norm_;
  std::shared_ptr<LlamaMlp> mlp_;
};

/// Everything but the head; named as the checkpoints name it.
class LlamaModel : public torch::nn::Module {
 public:
  LlamaModel(const LlamaConfig& config, const nn::WeightScope& scope)
      : embedding_(register_module("embed_tokens",
                                   std::make_shared<nn::Embedding>(scope / "embed_tokens", config.sizes.vocab_size,
                                                                   config.sizes.hidden_size))) {
    auto list = register_module("layers", std::make_shared<torch::nn::Module>());
    for (int64_t i = 0; i < config.sizes.num_layers; ++i) {
      layers_.push_back(
          list->register_module(std::to_string(i), std::make_shared<LlamaLayer>(config, scope / "layers" / i, i)));
    }
    norm_ = register_module("norm", std::make_shared<nn::Norm>(scope / "norm", ops::NormKind::rms,
                                                               config.sizes.hidden_size, config.norm_eps));
  }

  [[nodiscard]] const nn::Embedding& embedding() const { return *embedding_; }
  [[nodiscard]] const nn::Norm& norm() const { return *norm_; }
  [[nodiscard]] const std::vector<std::shared_ptr<LlamaLayer>>& layers() const { return layers_; }

 private:
  std::shared_ptr<nn::Embedding> embedding_;
  std::vector<std::shared_ptr<LlamaLayer>> layers_;
  std::shared_ptr<nn::Norm> norm_;
};

class LlamaForCausalLM : public CausalLM {
 public:
  LlamaForCausalLM(LlamaConfig config, nn::WeightSource& weights, const ModelOptions& options)
      : config_(std::move(config)),
        options_(options),
        rope_(config_.rope, config_.head_dim, options.device),
        model_(register_module("model", std::make_shared<LlamaModel>(config_, nn::WeightScope(weights, "model")))) {
    if (!config_.tied) {
      head_ = register_module(
          "lm_head", std::make_shared<nn::Linear>(nn::WeightScope(weights, "lm_head"), config_.sizes.hidden_size,
                                                  config_.sizes.vocab_size, /*bias=*/false));
    }
  }

  [[nodiscard]] const ModelSizes& sizes() const override { return config_.sizes; }

  [[nodiscard]] std::unique_ptr<nn::SequenceState> make_state(int64_t capacity) const override {
    return std::make_unique<nn::KvCache>(config_.sizes.num_layers, config_.num_kv_heads, config_.head_dim, capacity,
                                         at::TensorOptions().dtype(options_.cache_dtype).device(options_.device));
  }

  at::Tensor hidden(const at::Tensor& tokens, nn::SequenceState* state) override {
    auto* cache = static_cast<nn::KvCache*>(state);
    const int64_t position = cache != nullptr ? cache->length() : 0;
    const auto rope = rope_.table(position + tokens.size(1));
    auto x = model_->embedding().forward(tokens);  // [batch, seq, hidden]
    const auto& layers = model_->layers();
    for (std::size_t i = 0; i < layers.size(); ++i) {
      auto* layer_cache = cache != nullptr ? &cache->layer(static_cast<int64_t>(i)) : nullptr;
      x = layers[i]->forward(std::move(x), rope, layer_cache, position);
    }
    if (cache != nullptr) {
      cache->advance(tokens.size(1));
    }
    return x;
  }

  at::Tensor final_norm(const at::Tensor& hidden) override { return ops::norm(hidden, model_->norm().weights()); }

  at::Tensor logits(const at::Tensor& hidden) override {
    const std::array<ops::LinearWeights, 1> head{head_ ? head_->weights() : model_->embedding().as_head()};
    return ops::norm_linear(hidden, model_->norm().weights(), head);
  }

 private:
  LlamaConfig config_;
  ModelOptions options_;
  nn::Rope rope_;
  std::shared_ptr<LlamaModel> model_;
  std::shared_ptr<nn::Linear> head_;
};

}  // namespace

std::shared_ptr<CausalLM> create_llama(const Json& config, nn::WeightSource& weights, const ModelOptions& options) {
  return std::make_shared<LlamaForCausalLM>(parse_config(config), weights, options);
}

}  // namespace dstorch::models
