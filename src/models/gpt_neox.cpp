#include "models/gpt_neox.h"

#include <cmath>

#include "models/classes.h"
#include "models/config_checks.h"
#include "models/decoder.h"
#include "models/linear_pair.h"
#include "models/partial_rope.h"

namespace dstorch::models {
namespace {

struct GptNeoxConfig {
  ModelSizes sizes;
  double norm_eps = 1e-5;
  bool attention_bias = true;
  /// Whether attention and feed-forward part both read the block's input. Else the feed-forward part reads what
  /// attention has added to it.
  bool parallel = true;
  ops::Activation activation = ops::Activation::gelu;
  PartialRope rope;
};

GptNeoxConfig parse_gpt_neox_config(const Json& json) {
  GptNeoxConfig config;
  auto& sizes = config.sizes;
  const auto size = [&](const char* key, int64_t fallback) { return get_size_unless_missing(json, key, fallback); };
  sizes.model_type = json_get<std::string>(json, "model_type", "config.json");
  sizes.vocab_size = size("vocab_size", 50432);
  sizes.num_classes = std::ssize(class_names(json));
  sizes.hidden_size = size("hidden_size", 6144);
  sizes.num_layers = size("num_hidden_layers", 44);
  require_known_layers(json, sizes.num_layers);
  sizes.max_positions = size("max_position_embeddings", 2048);
  sizes.num_heads = size("num_attention_heads", 64);
  sizes.intermediate_size = size("intermediate_size", 24576);
  require(sizes.hidden_size % sizes.num_heads == 0, ErrorKind::format,
          "config.json: hidden_size must be a multiple of num_attention_heads, got {} and {}", sizes.hidden_size,
          sizes.num_heads);
  sizes.num_kv_heads = sizes.num_heads;
  sizes.head_dim = sizes.hidden_size / sizes.num_heads;
  config.parallel = get_unless_missing(json, "use_parallel_residual", true);
  sizes.tied = get_unless_missing(json, "tie_word_embeddings", false);
  config.norm_eps = get_unless_missing(json, "layer_norm_eps", 1e-5);
  config.attention_bias = get_unless_missing(json, "attention_bias", true);
  config.activation = parse_activation(get_unless_missing<std::string>(json, "hidden_act", "gelu"));
  config.rope = partial_rope(json, rope_parameters(json),
                             {.share_key = "rotary_pct", .share = 0.25, .theta_key = "rotary_emb_base"}, sizes);
  return config;
}

class GptNeoxLayer : public DecoderBlock {
 public:
  GptNeoxLayer(const GptNeoxConfig& config, const nn::WeightScope& scope)
      : activation_(config.activation),
        parallel_(config.parallel),
        attention_norm_(add_norm("input_layernorm", config, scope)),
        mlp_norm_(add_norm("post_attention_layernorm", config, scope)),
        attention_(register_module("attention",
                                   std::make_shared<LinearPair>(scope / "attention", "query_key_value", "dense",
                                                                config.sizes.hidden_size, 3 * config.sizes.hidden_size,
                                                                config.sizes.hidden_size, config.attention_bias))),
        mlp_(register_module("mlp",
                             std::make_shared<LinearPair>(scope / "mlp", "dense_h_to_4h", "dense_4h_to_h",
                                                          config.sizes.hidden_size, config.sizes.intermediate_size,
                                                          config.sizes.intermediate_size, /*bias=*/true))) {
    config_.num_heads = config.sizes.num_heads;
    config_.num_kv_heads = config.sizes.num_heads;
    config_.head_dim = config.sizes.head_dim;
    config_.scale = 1 / std::sqrt(static_cast<double>(config.sizes.head_dim));
  }

  /// x [rows, hidden] -> [rows, hidden]
  at::Tensor forward(at::Tensor x, const nn::Pass& pass, const ops::LayerSlot& slot) override {
    if (!parallel_) {
      x = attend(std::move(x), pass, slot);
      const auto inner = inner_of(x, pass);  // [rows, intermediate]
      return pass.linear_residual(inner, mlp_->out(), std::move(x));
    }
    const auto inner = inner_of(x, pass);  // [rows, intermediate], before attention changes x
    x = attend(std::move(x), pass, slot);
    return pass.linear_residual(inner, mlp_->out(), std::move(x));
  }
  [[nodiscard]] int64_t window() const override { return 0; }

 private:
  /// x [rows, hidden] + attention(norm(x))
  at::Tensor attend(at::Tensor x, const nn::Pass& pass, const ops::LayerSlot& slot) {
    const auto qkv = side_by_side(pass.norm_linear(x, *attention_norm_, {&attention_->in()}));  // [rows, 3 * hidden]
    const auto mixed = pass.attention(qkv, config_, slot, /*rotation=*/0);                      // [rows, hidden]
    return pass.linear_residual(mixed, attention_->out(), std::move(x));
  }

  /// act(in(norm(x))): [rows, intermediate]
  at::Tensor inner_of(const at::Tensor& x, const nn::Pass& pass) {
    return pass.norm_linear_gate(x, *mlp_norm_, mlp_->in(), nullptr, activation_);
  }

  /// Reorders the projections [rows, 3 * hidden]: the checkpoint's layer gives each head's query, key and value
  /// together, [heads, 3, head_dim]; attention takes all queries first, [3, heads, head_dim].
  [[nodiscard]] at::Tensor side_by_side(const at::Tensor& qkv) const {
    const auto rows = qkv.size(0);
    return qkv.view({rows, config_.num_heads, 3, config_.head_dim}).transpose(1, 2).reshape({rows, qkv.size(1)});
  }

  std::shared_ptr<nn::Norm> add_norm(const std::string& name, const GptNeoxConfig& config,
                                     const nn::WeightScope& scope) {
    return register_module(name, std::make_shared<nn::Norm>(scope / name, ops::NormKind::layer,
                                                            config.sizes.hidden_size, config.norm_eps));
  }

  ops::Activation activation_;
  ops::AttentionConfig config_;
  bool parallel_;
  std::shared_ptr<nn::Norm> attention_norm_, mlp_norm_;
  std::shared_ptr<LinearPair> attention_, mlp_;
};

}  // namespace

std::shared_ptr<LanguageModel> create_gpt_neox(const Json& json, nn::WeightSource& weights,
                                               const ModelOptions& options) {
  const auto config = parse_gpt_neox_config(json);
  DecoderConfig decoder;
  decoder.sizes = config.sizes;
  decoder.norm_kind = ops::NormKind::layer;
  decoder.norm_eps = config.norm_eps;
  decoder.body = "gpt_neox";
  decoder.token_table = "embed_in";
  decoder.final_norm = "final_layer_norm";
  decoder.head = "embed_out";
  decoder.residual_layers = {"attention.dense", "mlp.dense_4h_to_h"};
  decoder.unused = {".attention.bias", ".attention.masked_bias"};  // masks
  const auto make_block = [&](const nn::WeightScope& scope, int64_t /*index*/) {
    return std::make_shared<GptNeoxLayer>(config, scope);
  };
  std::vector<std::unique_ptr<nn::Rope>> ropes;
  ropes.push_back(std::make_unique<nn::Rope>(config.rope.config, config.rope.rotary_dim, options.device));
  return std::make_shared<Decoder>(decoder, weights, make_block, std::move(ropes));
}

}  // namespace dstorch::models
