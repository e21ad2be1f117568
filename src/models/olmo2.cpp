#include "models/olmo2.h"

#include <ATen/ATen.h>

#include <cmath>

#include "models/classes.h"
#include "models/config_checks.h"
#include "models/decoder.h"

namespace dstorch::models {
namespace {

struct Olmo2Config {
  ModelSizes sizes;
  double norm_eps = 1e-5;
  bool attention_bias = false;
  ops::Activation activation = ops::Activation::silu;
  nn::RopeConfig rope;

  [[nodiscard]] int64_t query_size() const { return sizes.num_heads * sizes.head_dim; }
  [[nodiscard]] int64_t key_size() const { return sizes.num_kv_heads * sizes.head_dim; }
};

Olmo2Config parse_olmo2_config(const Json& json) {
  Olmo2Config config;
  auto& sizes = config.sizes;
  const auto size = [&](const char* key, int64_t fallback) {
    return json.contains(key) ? get_size(json, key) : fallback;
  };
  sizes.model_type = json_get<std::string>(json, "model_type", "config.json");
  sizes.vocab_size = size("vocab_size", 50304);
  sizes.num_classes = std::ssize(class_names(json));
  sizes.hidden_size = size("hidden_size", 4096);
  sizes.num_layers = size("num_hidden_layers", 32);
  sizes.max_positions = size("max_position_embeddings", 2048);
  sizes.num_heads = size("num_attention_heads", 32);
  sizes.num_kv_heads = get_size_or(json, "num_key_value_heads", sizes.num_heads);
  sizes.head_dim = size("head_dim", sizes.hidden_size / sizes.num_heads);
  sizes.intermediate_size = size("intermediate_size", 11008);
  sizes.rotated_layers = sizes.num_layers;
  sizes.gated_mlp = true;
  sizes.rms_norm = true;
  sizes.norm_before = false;
  sizes.norm_after = true;
  sizes.whole_qk_norm = true;
  sizes.tied = get_unless_missing(json, "tie_word_embeddings", false);
  require(sizes.num_heads % sizes.num_kv_heads == 0, ErrorKind::format,
          "config.json: num_attention_heads must be a multiple of num_key_value_heads, got {} and {}", sizes.num_heads,
          sizes.num_kv_heads);
  config.norm_eps = get_unless_missing(json, "rms_norm_eps", 1e-5);
  config.attention_bias = get_unless_missing(json, "attention_bias", false);
  config.activation = parse_activation(get_unless_missing<std::string>(json, "hidden_act", "silu"));
  config.rope = nn::RopeConfig::from_json(json, 1e4, sizes.max_positions);
  if (config.rope.type == "longrope") {  // beyond it all frequencies would be others
    sizes.max_positions = std::min(sizes.max_positions, static_cast<int64_t>(config.rope.original_max_positions));
  }
  return config;
}

std::shared_ptr<nn::Norm> make_olmo2_norm(const Olmo2Config& config, const nn::WeightScope& scope, int64_t features) {
  return std::make_shared<nn::Norm>(scope, ops::NormKind::rms, features, config.norm_eps);
}

class Olmo2Attention : public torch::nn::Module {
 public:
  Olmo2Attention(const Olmo2Config& config, const nn::WeightScope& scope)
      : q_(add("q_proj", config, scope, config.sizes.hidden_size, config.query_size())),
        k_(add("k_proj", config, scope, config.sizes.hidden_size, config.key_size())),
        v_(add("v_proj", config, scope, config.sizes.hidden_size, config.key_size())),
        o_(add("o_proj", config, scope, config.query_size(), config.sizes.hidden_size)),
        q_norm_(register_module("q_norm", make_olmo2_norm(config, scope / "q_norm", config.query_size()))),
        k_norm_(register_module("k_norm", make_olmo2_norm(config, scope / "k_norm", config.key_size()))) {
    config_.num_heads = config.sizes.num_heads;
    config_.num_kv_heads = config.sizes.num_kv_heads;
    config_.head_dim = config.sizes.head_dim;
    config_.scale = 1 / std::sqrt(static_cast<double>(config.sizes.head_dim));
  }

  /// x [rows, hidden] + after(attention(x))
  at::Tensor forward(at::Tensor x, const nn::Norm& after, const nn::Pass& pass, const ops::LayerSlot& slot) {
    const auto qkv = project(x, pass);
    const auto mixed = pass.attention(qkv, config_, slot, /*rotation=*/0);  // [rows, heads * head_dim]
    return pass.linear_norm_residual(mixed, *o_, after, std::move(x));
  }

 private:
  /// Queries and keys are normed over all of their heads together: [rows, (heads + 2 * kv_heads) * head_dim].
  at::Tensor project(const at::Tensor& x, const nn::Pass& pass) {
    const auto q = pass.norm(pass.linear(x, *q_), *q_norm_);
    const auto k = pass.norm(pass.linear(x, *k_), *k_norm_);
    return at::cat({q, k, pass.linear(x, *v_)}, -1);
  }

  std::shared_ptr<nn::Linear> add(const std::string& name, const Olmo2Config& config, const nn::WeightScope& scope,
                                  int64_t in, int64_t out) {
    return register_module(name, std::make_shared<nn::Linear>(scope / name, in, out, config.attention_bias));
  }

  ops::AttentionConfig config_;
  std::shared_ptr<nn::Linear> q_, k_, v_, o_;
  std::shared_ptr<nn::Norm> q_norm_, k_norm_;
};

class Olmo2Mlp : public torch::nn::Module {
 public:
  Olmo2Mlp(const Olmo2Config& config, const nn::WeightScope& scope)
      : activation_(config.activation),
        gate_(add("gate_proj", scope, config.sizes.hidden_size, config.sizes.intermediate_size)),
        up_(add("up_proj", scope, config.sizes.hidden_size, config.sizes.intermediate_size)),
        down_(add("down_proj", scope, config.sizes.intermediate_size, config.sizes.hidden_size)) {}

  /// x [rows, hidden] + after(down(act(gate(x)) * up(x)))
  at::Tensor forward(at::Tensor x, const nn::Norm& after, const nn::Pass& pass) {
    const auto gated = pass.mlp(x, *gate_, up_.get(), activation_);  // [rows, intermediate]
    return pass.linear_norm_residual(gated, *down_, after, std::move(x));
  }

 private:
  std::shared_ptr<nn::Linear> add(const std::string& name, const nn::WeightScope& scope, int64_t in, int64_t out) {
    return register_module(name, std::make_shared<nn::Linear>(scope / name, in, out, /*bias=*/false));
  }

  ops::Activation activation_;
  std::shared_ptr<nn::Linear> gate_, up_, down_;
};

/// Nothing is normed before the two parts, only what they add.
class Olmo2Layer : public DecoderBlock {
 public:
  Olmo2Layer(const Olmo2Config& config, const nn::WeightScope& scope)
      : attention_(register_module("self_attn", std::make_shared<Olmo2Attention>(config, scope / "self_attn"))),
        after_attention_(add_norm("post_attention_layernorm", config, scope)),
        mlp_(register_module("mlp", std::make_shared<Olmo2Mlp>(config, scope / "mlp"))),
        after_mlp_(add_norm("post_feedforward_layernorm", config, scope)) {}

  at::Tensor forward(at::Tensor x, const nn::Pass& pass, const ops::LayerSlot& slot) override {
    x = attention_->forward(std::move(x), *after_attention_, pass, slot);
    return mlp_->forward(std::move(x), *after_mlp_, pass);
  }
  [[nodiscard]] int64_t window() const override { return 0; }

 private:
  std::shared_ptr<nn::Norm> add_norm(const std::string& name, const Olmo2Config& config, const nn::WeightScope& scope) {
    return register_module(name, make_olmo2_norm(config, scope / name, config.sizes.hidden_size));
  }

  std::shared_ptr<Olmo2Attention> attention_;
  std::shared_ptr<nn::Norm> after_attention_;
  std::shared_ptr<Olmo2Mlp> mlp_;
  std::shared_ptr<nn::Norm> after_mlp_;
};

}  // namespace

std::shared_ptr<LanguageModel> create_olmo2(const Json& json, nn::WeightSource& weights, const ModelOptions& options) {
  const auto config = parse_olmo2_config(json);
  DecoderConfig decoder;
  decoder.sizes = config.sizes;
  decoder.norm_eps = config.norm_eps;
  const auto make_block = [&](const nn::WeightScope& scope, int64_t /*index*/) {
    return std::make_shared<Olmo2Layer>(config, scope);
  };
  std::vector<std::unique_ptr<nn::Rope>> ropes;
  ropes.push_back(std::make_unique<nn::Rope>(config.rope, config.sizes.head_dim, options.device));
  return std::make_shared<Decoder>(decoder, weights, make_block, std::move(ropes));
}

}  // namespace dstorch::models
