#include "models/gpt2.h"

#include <cmath>

#include "models/classes.h"
#include "models/config_checks.h"
#include "models/decoder.h"

namespace dstorch::models {
namespace {

struct Gpt2Config {
  ModelSizes sizes;
  int64_t num_heads = 0;
  int64_t inner_size = 0;
  double norm_eps = 1e-5;
  bool tied = true;
  bool scale_weights = true;
  bool scale_by_layer = false;
  ops::Activation activation = ops::Activation::gelu_tanh;
};

/// A size under GPT-2's own key, or under the key of other families, which goes first if both are there.
int64_t get_size_of(const Json& json, const std::string& own, const std::string& general, int64_t fallback) {
  return get_size_or(json, general, get_size_or(json, own, fallback));
}

Gpt2Config parse_gpt2_config(const Json& json) {
  constexpr std::string_view where = "config.json";
  Gpt2Config config;
  config.sizes.model_type = "gpt2";
  config.sizes.vocab_size = get_size_or(json, "vocab_size", 50257);
  config.sizes.num_classes = std::ssize(class_names(json));
  config.sizes.hidden_size = get_size_of(json, "n_embd", "hidden_size", 768);
  config.sizes.num_layers = get_size_of(json, "n_layer", "num_hidden_layers", 12);
  require_known_layers(json, config.sizes.num_layers);
  config.sizes.max_positions =
      get_size_of(json, "n_positions", "max_position_embeddings", get_size_or(json, "n_ctx", 1024));
  config.num_heads = get_size_of(json, "n_head", "num_attention_heads", 12);
  config.inner_size = get_size_or(json, "n_inner", 4 * config.sizes.hidden_size);
  config.norm_eps = get_unless_missing(json, "layer_norm_epsilon", 1e-5);
  config.tied = get_unless_missing(json, "tie_word_embeddings", true);
  config.scale_weights = get_unless_missing(json, "scale_attn_weights", true);
  config.scale_by_layer = get_unless_missing(json, "scale_attn_by_inverse_layer_idx", false);
  config.activation = parse_activation(get_unless_missing<std::string>(json, "activation_function", "gelu_new"));
  require(config.sizes.hidden_size % config.num_heads == 0, ErrorKind::format,
          "{}: n_embd must be a multiple of n_head, got {} and {}", where, config.sizes.hidden_size, config.num_heads);
  config.sizes.num_heads = config.num_heads;
  config.sizes.num_kv_heads = config.num_heads;
  config.sizes.head_dim = config.sizes.hidden_size / config.num_heads;
  config.sizes.intermediate_size = config.inner_size;
  config.sizes.tied = config.tied;
  return config;
}

std::shared_ptr<nn::Norm> make_norm(const Gpt2Config& config, const nn::WeightScope& scope) {
  return std::make_shared<nn::Norm>(scope, ops::NormKind::layer, config.sizes.hidden_size, config.norm_eps);
}

/// Two linear layers under one name, laid out as GPT-2's Conv1D: attn (c_attn, c_proj) or mlp (c_fc, c_proj).
class ProjectionPair : public torch::nn::Module {
 public:
  ProjectionPair(const nn::WeightScope& scope, const std::string& first, int64_t hidden, int64_t inner, int64_t middle)
      : in_(add(first, scope, hidden, inner)), out_(add("c_proj", scope, middle, hidden)) {}
  [[nodiscard]] const nn::Linear& in() const { return *in_; }
  [[nodiscard]] const nn::Linear& out() const { return *out_; }

 private:
  std::shared_ptr<nn::Linear> add(const std::string& name, const nn::WeightScope& scope, int64_t in, int64_t out) {
    return register_module(
        name, std::make_shared<nn::Linear>(scope / name, in, out, /*bias=*/true, nn::Linear::Layout::in_out));
  }

  std::shared_ptr<nn::Linear> in_, out_;
};

class Gpt2Block : public DecoderBlock {
 public:
  Gpt2Block(const Gpt2Config& config, const nn::WeightScope& scope, int64_t index)
      : activation_(config.activation),
        norm1_(register_module("ln_1", make_norm(config, scope / "ln_1"))),
        attention_(register_module(
            "attn", std::make_shared<ProjectionPair>(scope / "attn", "c_attn", config.sizes.hidden_size,
                                                     3 * config.sizes.hidden_size, config.sizes.hidden_size))),
        norm2_(register_module("ln_2", make_norm(config, scope / "ln_2"))),
        mlp_(register_module("mlp", std::make_shared<ProjectionPair>(scope / "mlp", "c_fc", config.sizes.hidden_size,
                                                                     config.inner_size, config.inner_size))) {
    attention_config_.num_heads = config.num_heads;
    attention_config_.num_kv_heads = config.num_heads;
    attention_config_.head_dim = config.sizes.head_dim;
    if (config.scale_weights) {
      attention_config_.scale = 1.0 / std::sqrt(static_cast<double>(attention_config_.head_dim));
    }
    if (config.scale_by_layer) {
      attention_config_.scale /= static_cast<double>(index + 1);
    }
  }

  /// x [rows, hidden] -> [rows, hidden]
  at::Tensor forward(at::Tensor x, const nn::Pass& pass, const ops::LayerSlot& slot) override {
    return feed_forward(attend(std::move(x), pass, slot), pass);
  }
  [[nodiscard]] int64_t window() const override { return 0; }

 private:
  /// x [rows, hidden] + attention(norm(x))
  at::Tensor attend(at::Tensor x, const nn::Pass& pass, const ops::LayerSlot& slot) {
    const auto qkv = pass.norm_linear(x, *norm1_, {&attention_->in()});             // [rows, 3 * hidden]
    const auto mixed = pass.attention(qkv, attention_config_, slot, std::nullopt);  // [rows, hidden]
    return pass.linear_residual(mixed, attention_->out(), std::move(x));
  }

  /// x [rows, hidden] + out(act(in(norm(x))))
  at::Tensor feed_forward(at::Tensor x, const nn::Pass& pass) {
    const auto inner = pass.norm_linear_gate(x, *norm2_, mlp_->in(), nullptr, activation_);  // [rows, inner]
    return pass.linear_residual(inner, mlp_->out(), std::move(x));
  }

  ops::Activation activation_;
  ops::AttentionConfig attention_config_;
  std::shared_ptr<nn::Norm> norm1_;
  std::shared_ptr<ProjectionPair> attention_;
  std::shared_ptr<nn::Norm> norm2_;
  std::shared_ptr<ProjectionPair> mlp_;
};

}  // namespace

std::shared_ptr<LanguageModel> create_gpt2(const Json& json, nn::WeightSource& weights,
                                           const ModelOptions& /*options*/) {
  const auto config = parse_gpt2_config(json);
  DecoderConfig decoder;
  decoder.sizes = config.sizes;
  decoder.norm_kind = ops::NormKind::layer;
  decoder.norm_eps = config.norm_eps;
  decoder.position_table = true;
  decoder.body = "transformer";
  decoder.token_table = "wte";
  decoder.layers = "h";
  decoder.final_norm = "ln_f";
  decoder.residual_layers = {"c_proj"};
  decoder.unused = {".attn.bias", ".attn.masked_bias"};  // masks
  const auto make_block = [&](const nn::WeightScope& scope, int64_t index) {
    return std::make_shared<Gpt2Block>(config, scope, index);
  };
  return std::make_shared<Decoder>(decoder, weights, make_block);
}

}  // namespace dstorch::models
