#include "models/olmo2.h"

#include <ATen/ATen.h>

#include "models/classes.h"
#include "models/config_checks.h"
#include "models/decoder.h"
#include "models/gated_mlp.h"
#include "models/split_attention.h"

namespace dstorch::models {
namespace {

struct Olmo2Config {
  ModelSizes sizes;
  double norm_eps = 1e-5;
  bool attention_bias = false;
  ops::Activation activation = ops::Activation::silu;
  nn::RopeConfig rope;
};

Olmo2Config parse_olmo2_config(const Json& json) {
  Olmo2Config config;
  auto& sizes = config.sizes;
  const auto size = [&](const char* key, int64_t fallback) { return get_size_unless_missing(json, key, fallback); };
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
  sizes.tied = get_unless_missing(json, "tie_word_embeddings", false);
  require_head_groups(sizes.num_heads, sizes.num_kv_heads);
  require_known_layers(json, sizes.num_layers);
  config.norm_eps = get_unless_missing(json, "rms_norm_eps", 1e-5);
  config.attention_bias = get_unless_missing(json, "attention_bias", false);
  config.activation = parse_activation(get_unless_missing<std::string>(json, "hidden_act", "silu"));
  config.rope = nn::RopeConfig::from_json(json, 1e4, sizes.max_positions);
  sizes.max_positions = config.rope.most_positions(sizes.max_positions);
  return config;
}

std::shared_ptr<nn::Norm> make_olmo2_norm(const Olmo2Config& config, const nn::WeightScope& scope, int64_t features) {
  return std::make_shared<nn::Norm>(scope, ops::NormKind::rms, features, config.norm_eps);
}

class Olmo2Attention : public SplitAttention {
 public:
  Olmo2Attention(const Olmo2Config& config, const nn::WeightScope& scope)
      : SplitAttention(scope, config.sizes, config.attention_bias, config.attention_bias),
        q_norm_(register_module("q_norm", make_olmo2_norm(config, scope / "q_norm", q_->out_features()))),
        k_norm_(register_module("k_norm", make_olmo2_norm(config, scope / "k_norm", k_->out_features()))) {}

  /// x [rows, hidden] + after(attention(x))
  at::Tensor forward(at::Tensor x, const nn::Norm& after, const nn::Pass& pass, const ops::LayerSlot& slot) {
    const auto qkv = project(x, pass);                                      // [rows, (heads + 2 * kv_heads) * head_dim]
    const auto mixed = pass.attention(qkv, config_, slot, /*rotation=*/0);  // [rows, heads * head_dim]
    return pass.linear_norm_residual(mixed, *o_, after, std::move(x));
  }

 private:
  /// Queries, keys and values side by side. Queries and keys are normed over all of their heads together.
  at::Tensor project(const at::Tensor& x, const nn::Pass& pass) {
    const auto q = pass.norm(pass.linear(x, *q_), *q_norm_);  // [rows, heads * head_dim]
    const auto k = pass.norm(pass.linear(x, *k_), *k_norm_);  // [rows, kv_heads * head_dim]
    const auto v = pass.linear(x, *v_);                       // [rows, kv_heads * head_dim]
    return at::cat({q, k, v}, -1);
  }

  std::shared_ptr<nn::Norm> q_norm_, k_norm_;
};

/// The two parts read x as it is; what they add to it is normed.
class Olmo2Layer : public DecoderBlock {
 public:
  Olmo2Layer(const Olmo2Config& config, const nn::WeightScope& scope)
      : attention_(register_module("self_attn", std::make_shared<Olmo2Attention>(config, scope / "self_attn"))),
        after_attention_(add_norm("post_attention_layernorm", config, scope)),
        mlp_(register_module(
            "mlp", std::make_shared<GatedMlp>(scope / "mlp", config.sizes.hidden_size, config.sizes.intermediate_size,
                                              /*bias=*/false, config.activation))),
        after_mlp_(add_norm("post_feedforward_layernorm", config, scope)) {}

  /// x [rows, hidden] -> [rows, hidden]
  at::Tensor forward(at::Tensor x, const nn::Pass& pass, const ops::LayerSlot& slot) override {
    x = attention_->forward(std::move(x), *after_attention_, pass, slot);
    const auto gated = mlp_->inner(x, pass);  // [rows, intermediate]
    return pass.linear_norm_residual(gated, mlp_->down(), *after_mlp_, std::move(x));
  }
  [[nodiscard]] int64_t window() const override { return attention_->window(); }

 private:
  std::shared_ptr<nn::Norm> add_norm(const std::string& name, const Olmo2Config& config, const nn::WeightScope& scope) {
    return register_module(name, make_olmo2_norm(config, scope / name, config.sizes.hidden_size));
  }

  std::shared_ptr<Olmo2Attention> attention_;
  std::shared_ptr<nn::Norm> after_attention_;
  std::shared_ptr<GatedMlp> mlp_;
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
