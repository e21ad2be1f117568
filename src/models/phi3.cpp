#include "models/phi3.h"

#include <cmath>

#include "models/classes.h"
#include "models/config_checks.h"
#include "models/decoder.h"
#include "models/linear_pair.h"
#include "models/partial_rope.h"

namespace dstorch::models {
namespace {

constexpr int64_t kDefaultPositions = 4096;

struct Phi3Config {
  ModelSizes sizes;
  double norm_eps = 1e-5;
  int64_t window = 0;  // of all layers
  ops::Activation activation = ops::Activation::silu;
  PartialRope rope;
};

/// The rotation's parameters. The only scaling there is LongRoPE, which older configs call su or yarn.
PartialRope parse_phi3_rope(Json json, ModelSizes& sizes) {
  constexpr std::string_view where = "config.json";
  auto parameters = rope_parameters(json);
  auto type = json_get_or<std::string>(parameters, "rope_type",
                                       json_get_or<std::string>(parameters, "type", "default", where), where);
  type = type == "su" || type == "yarn" ? "longrope" : type;
  require(type == "default" || type == "longrope", ErrorKind::unsupported,
          "{}: the rope type of phi3 must be default or longrope, got \"{}\"", where, type);
  parameters["rope_type"] = type;
  constexpr const char* original = "original_max_position_embeddings";
  json[original] = json.contains(original) ? get_size(json, original) : kDefaultPositions;
  return partial_rope(json, std::move(parameters), {}, sizes);
}

Phi3Config parse_phi3_config(const Json& json) {
  Phi3Config config;
  auto& sizes = config.sizes;
  const auto size = [&](const char* key, int64_t fallback) { return get_size_unless_missing(json, key, fallback); };
  sizes.model_type = json_get<std::string>(json, "model_type", "config.json");
  sizes.vocab_size = size("vocab_size", 32064);
  sizes.num_classes = std::ssize(class_names(json));
  sizes.hidden_size = size("hidden_size", 3072);
  sizes.num_layers = size("num_hidden_layers", 32);
  sizes.max_positions = size("max_position_embeddings", kDefaultPositions);
  sizes.num_heads = size("num_attention_heads", 32);
  sizes.num_kv_heads = get_size_or(json, "num_key_value_heads", sizes.num_heads);
  sizes.head_dim = size("head_dim", sizes.hidden_size / sizes.num_heads);
  sizes.intermediate_size = size("intermediate_size", 8192);
  sizes.tied = get_unless_missing(json, "tie_word_embeddings", false);
  require_head_groups(sizes.num_heads, sizes.num_kv_heads);
  require_known_layers(json, sizes.num_layers);
  config.norm_eps = get_unless_missing(json, "rms_norm_eps", 1e-5);
  config.window = get_size_or(json, "sliding_window", 0);
  config.activation = parse_activation(get_unless_missing<std::string>(json, "hidden_act", "silu"));
  config.rope = parse_phi3_rope(json, sizes);
  return config;
}

class Phi3Layer : public DecoderBlock {
 public:
  Phi3Layer(const Phi3Config& config, const nn::WeightScope& scope)
      : activation_(config.activation),
        input_norm_(add_norm("input_layernorm", config, scope)),
        attention_(add_pair("self_attn", scope, "qkv_proj", "o_proj", config.sizes.hidden_size,
                            (config.sizes.num_heads + 2 * config.sizes.num_kv_heads) * config.sizes.head_dim,
                            config.sizes.num_heads * config.sizes.head_dim)),
        post_norm_(add_norm("post_attention_layernorm", config, scope)),
        mlp_(add_pair("mlp", scope, "gate_up_proj", "down_proj", config.sizes.hidden_size,
                      2 * config.sizes.intermediate_size, config.sizes.intermediate_size)) {
    config_.num_heads = config.sizes.num_heads;
    config_.num_kv_heads = config.sizes.num_kv_heads;
    config_.head_dim = config.sizes.head_dim;
    config_.scale = 1 / std::sqrt(static_cast<double>(config.sizes.head_dim));
    config_.sliding_window = config.window;
  }

  /// x [rows, hidden] -> [rows, hidden]
  at::Tensor forward(at::Tensor x, const nn::Pass& pass, const ops::LayerSlot& slot) override {
    return feed_forward(attend(std::move(x), pass, slot), pass);
  }
  [[nodiscard]] int64_t window() const override { return config_.sliding_window; }

 private:
  /// x [rows, hidden] + attention(norm(x))
  at::Tensor attend(at::Tensor x, const nn::Pass& pass, const ops::LayerSlot& slot) {
    const auto qkv =
        pass.norm_linear(x, *input_norm_, {&attention_->in()});             // [rows, (heads + 2 * kv_heads) * head_dim]
    const auto mixed = pass.attention(qkv, config_, slot, /*rotation=*/0);  // [rows, heads * head_dim]
    return pass.linear_residual(mixed, attention_->out(), std::move(x));
  }

  /// x [rows, hidden] + down(act(gate(norm(x))) * up(norm(x)))
  at::Tensor feed_forward(at::Tensor x, const nn::Pass& pass) {
    const auto gated = pass.norm_joined_linear_gate(x, *post_norm_, mlp_->in(), activation_);  // [rows, intermediate]
    return pass.linear_residual(gated, mlp_->out(), std::move(x));
  }

  std::shared_ptr<nn::Norm> add_norm(const std::string& name, const Phi3Config& config, const nn::WeightScope& scope) {
    return register_module(
        name, std::make_shared<nn::Norm>(scope / name, ops::NormKind::rms, config.sizes.hidden_size, config.norm_eps));
  }
  std::shared_ptr<LinearPair> add_pair(const std::string& name, const nn::WeightScope& scope, const std::string& in,
                                       const std::string& out, int64_t hidden, int64_t joined, int64_t middle) {
    return register_module(name,
                           std::make_shared<LinearPair>(scope / name, in, out, hidden, joined, middle, /*bias=*/false));
  }

  ops::Activation activation_;
  ops::AttentionConfig config_;
  std::shared_ptr<nn::Norm> input_norm_;
  std::shared_ptr<LinearPair> attention_;
  std::shared_ptr<nn::Norm> post_norm_;
  std::shared_ptr<LinearPair> mlp_;
};

}  // namespace

std::shared_ptr<LanguageModel> create_phi3(const Json& json, nn::WeightSource& weights, const ModelOptions& options) {
  const auto config = parse_phi3_config(json);
  DecoderConfig decoder;
  decoder.sizes = config.sizes;
  decoder.norm_eps = config.norm_eps;
  const auto make_block = [&](const nn::WeightScope& scope, int64_t /*index*/) {
    return std::make_shared<Phi3Layer>(config, scope);
  };
  std::vector<std::unique_ptr<nn::Rope>> ropes;
  ropes.push_back(std::make_unique<nn::Rope>(config.rope.config, config.rope.rotary_dim, options.device));
  return std::make_shared<Decoder>(decoder, weights, make_block, std::move(ropes));
}

}  // namespace dstorch::models
