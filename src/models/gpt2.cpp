#include "models/gpt2.h"

#include <cmath>

#include "models/config_checks.h"
#include "nn/layers.h"
#include "ops/attention.h"
#include "ops/linear_residual.h"
#include "ops/norm.h"
#include "ops/norm_linear.h"
#include "ops/norm_mlp.h"

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

Gpt2Config parse_config(const Json& json) {
  constexpr std::string_view where = "config.json";
  Gpt2Config config;
  config.sizes.model_type = "gpt2";
  config.sizes.vocab_size = get_size_or(json, "vocab_size", 50257);
  config.sizes.hidden_size = get_size_or(json, "n_embd", 768);
  config.sizes.num_layers = get_size_or(json, "n_layer", 12);
  config.sizes.max_positions = get_size_or(json, "n_positions", get_size_or(json, "n_ctx", 1024));
  config.num_heads = get_size_or(json, "n_head", 12);
  config.inner_size = get_size_or(json, "n_inner", 4 * config.sizes.hidden_size);
  config.norm_eps = json_get_or(json, "layer_norm_epsilon", 1e-5, where);
  config.tied = json_get_or(json, "tie_word_embeddings", true, where);
  config.scale_weights = json_get_or(json, "scale_attn_weights", true, where);
  config.scale_by_layer = json_get_or(json, "scale_attn_by_inverse_layer_idx", false, where);
  config.activation = parse_activation(json_get_or<std::string>(json, "activation_function", "gelu_new", where));
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

/// Two Conv1D layers under one name: attn (c_attn, c_proj) or mlp (c_fc, c_proj).
class ProjectionPair : public torch::nn::Module {
 public:
  ProjectionPair(const nn::WeightScope& scope, const std::string& first, int64_t hidden, int64_t inner, int64_t middle)
      : in_(register_module(first, std::make_shared<nn::Conv1D>(scope / first, hidden, inner))),
        out_(register_module("c_proj", std::make_shared<nn::Conv1D>(scope / "c_proj", middle, hidden))) {}
  [[nodiscard]] ops::LinearWeights in() const { return in_->weights(); }
  [[nodiscard]] ops::LinearWeights out() const { return out_->weights(); }

 private:
  std::shared_ptr<nn::Conv1D> in_, out_;
};

class Gpt2Block : public torch::nn::Module {
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
    attention_config_.head_dim = config.sizes.hidden_size / config.num_heads;
    if (config.scale_weights) {
      attention_config_.scale = 1.0 / std::sqrt(static_cast<double>(attention_config_.head_dim));
    }
    if (config.scale_by_layer) {
      attention_config_.scale /= static_cast<double>(index + 1);
    }
  }

  /// x [batch, seq, hidden] -> [batch, seq, hidden]; x may be overwritten when no gradient is asked for.
  at::Tensor forward(at::Tensor x, ops::LayerCache* cache, int64_t position) {
    const std::array<ops::LinearWeights, 1> qkv_weights{attention_->in()};
    const auto qkv = ops::norm_linear(x, norm1_->weights(), qkv_weights);
    const auto mixed = ops::attention(qkv, attention_config_, {}, cache, position);
    x = ops::linear_residual(mixed, attention_->out(), std::move(x));
    const auto inner = ops::norm_mlp(x, norm2_->weights(), mlp_->in(), {}, activation_);
    return ops::linear_residual(inner, mlp_->out(), std::move(x));
  }

 private:
  ops::Activation activation_;
  ops::AttentionConfig attention_config_;
  std::shared_ptr<nn::Norm> norm1_;
  std::shared_ptr<ProjectionPair> attention_;
  std::shared_ptr<nn::Norm> norm2_;
  std::shared_ptr<ProjectionPair> mlp_;
};

/// Everything but the head; named as the checkpoints name it.
class Gpt2Transformer : public torch::nn::Module {
 public:
  Gpt2Transformer(const Gpt2Config& config, const nn::WeightScope& scope)
      : tokens_(register_module(
            "wte", std::make_shared<nn::Embedding>(scope / "wte", config.sizes.vocab_size, config.sizes.hidden_size))),
        positions_(register_module("wpe", std::make_shared<nn::Embedding>(scope / "wpe", config.sizes.max_positions,
                                                                          config.sizes.hidden_size))) {
    auto list = register_module("h", std::make_shared<torch::nn::Module>());
    for (int64_t i = 0; i < config.sizes.num_layers; ++i) {
      blocks_.push_back(
          list->register_module(std::to_string(i), std::make_shared<Gpt2Block>(config, scope / "h" / i, i)));
    }
    norm_ = register_module("ln_f", make_norm(config, scope / "ln_f"));
  }

  /// tokens int64 [batch, seq], the first at `position` -> [batch, seq, hidden]
  [[nodiscard]] at::Tensor embed(const at::Tensor& tokens, int64_t position) const {
    const auto where = at::arange(position, position + tokens.size(1), tokens.options());
    return tokens_->forward(tokens) + positions_->forward(where);
  }
  [[nodiscard]] const nn::Embedding& token_embedding() const { return *tokens_; }
  [[nodiscard]] const nn::Norm& norm() const { return *norm_; }
  [[nodiscard]] const std::vector<std::shared_ptr<Gpt2Block>>& blocks() const { return blocks_; }

 private:
  std::shared_ptr<nn::Embedding> tokens_, positions_;
  std::vector<std::shared_ptr<Gpt2Block>> blocks_;
  std::shared_ptr<nn::Norm> norm_;
};

class Gpt2ForCausalLM : public CausalLM {
 public:
  Gpt2ForCausalLM(Gpt2Config config, nn::WeightSource& weights, const ModelOptions& options)
      : config_(std::move(config)),
        options_(options),
        transformer_(register_module(
            "transformer", std::make_shared<Gpt2Transformer>(config_, nn::WeightScope(weights, "transformer")))) {
    if (!config_.tied) {
      head_ = register_module(
          "lm_head", std::make_shared<nn::Linear>(nn::WeightScope(weights, "lm_head"), config_.sizes.hidden_size,
                                                  config_.sizes.vocab_size, /*bias=*/false));
    }
  }

  [[nodiscard]] const ModelSizes& sizes() const override { return config_.sizes; }

  [[nodiscard]] std::unique_ptr<nn::SequenceState> make_state(int64_t capacity) const override {
    return std::make_unique<nn::KvCache>(config_.sizes.num_layers, config_.num_heads,
                                         config_.sizes.hidden_size / config_.num_heads, capacity,
                                         at::TensorOptions().dtype(options_.cache_dtype).device(options_.device));
  }

  at::Tensor hidden(const at::Tensor& tokens, nn::SequenceState* state) override {
    auto* cache = static_cast<nn::KvCache*>(state);
    const int64_t position = cache != nullptr ? cache->length() : 0;
    auto x = transformer_->embed(tokens, position);
    const auto& blocks = transformer_->blocks();
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      auto* layer_cache = cache != nullptr ? &cache->layer(static_cast<int64_t>(i)) : nullptr;
      x = blocks[i]->forward(std::move(x), layer_cache, position);
    }
    if (cache != nullptr) {
      cache->advance(tokens.size(1));
    }
    return x;
  }

  at::Tensor final_norm(const at::Tensor& hidden) override { return ops::norm(hidden, transformer_->norm().weights()); }

  at::Tensor logits(const at::Tensor& hidden) override {
    const std::array<ops::LinearWeights, 1> head{head_ ? head_->weights() : transformer_->token_embedding().as_head()};
    return ops::norm_linear(hidden, transformer_->norm().weights(), head);
  }

 private:
  Gpt2Config config_;
  ModelOptions options_;
  std::shared_ptr<Gpt2Transformer> transformer_;
  std::shared_ptr<nn::Linear> head_;
};

}  // namespace

std::shared_ptr<CausalLM> create_gpt2(const Json& config, nn::WeightSource& weights, const ModelOptions& options) {
  return std::make_shared<Gpt2ForCausalLM>(parse_config(config), weights, options);
}

}  // namespace dstorch::models
