#include "models/gemma.h"

#include <algorithm>
#include <cmath>

#include "models/classes.h"
#include "models/config_checks.h"
#include "models/decoder.h"
#include "models/gated_mlp.h"
#include "models/split_attention.h"

namespace dstorch::models {
namespace {

/// Norms store how far their weights are from 1.
constexpr double kNormOffset = 1;

/// The numbers of Gemma 3's two rotations, in the order in which the decoder gets them. Gemma 2 has only the first.
constexpr std::size_t kGlobal = 0;
constexpr std::size_t kLocal = 1;

/// What Hugging Face's configuration classes assume for keys that config.json leaves out, where Gemma 2 and 3 differ.
struct GemmaDefaults {
  int64_t vocab_size = 0;
  int64_t max_positions = 0;
  int64_t pattern = 0;  // every pattern-th layer sees all positions
  double logit_cap = 0;
  double attention_cap = 0;
};
constexpr GemmaDefaults kGemma2Defaults{256000, 8192, 2, 30, 50};
constexpr GemmaDefaults kGemma3Defaults{262208, 131072, 6, 0, 0};

struct GemmaConfig {
  ModelSizes sizes;
  bool is_gemma3 = false;
  double norm_eps = 1e-6;
  double attention_scale = 1;
  double attention_cap = 0;
  double logit_cap = 0;
  bool attention_bias = false;
  ops::Activation activation = ops::Activation::gelu_tanh;
  int64_t window = 0;         // positions that a sliding layer sees
  std::vector<bool> sliding;  // by layer
  std::vector<nn::RopeConfig> ropes;
};

/// By layer, whether it sees only a window: as `layer_types` says, else all layers but every pattern-th.
std::vector<bool> gemma_sliding_layers(const Json& json, int64_t layers, int64_t pattern) {
  if (auto named = sliding_layers(json, layers)) {
    return std::move(*named);
  }
  std::vector<bool> sliding;
  for (int64_t i = 1; i <= layers; ++i) {
    sliding.push_back(i % pattern != 0);
  }
  return sliding;
}

/// `json[key]`, {} for null and for a key that is missing.
Json object_or_none(const Json& json, const char* key) {
  const auto it = json.find(key);
  if (it == json.end() || it->is_null()) {
    return Json::object();
  }
  require(it->is_object(), ErrorKind::format, "config.json: \"{}\" must be an object or null, it is {}", key,
          it->dump().substr(0, 80));
  return *it;
}

/// The rotation of the layers of one kind: what `rope_parameters` has under the kind's name, completed by `more`. The
/// base may stand outside of it, under `theta_key`.
nn::RopeConfig gemma_rope(const Json& json, const char* kind, const Json& more, const char* theta_key,
                          double default_theta, int64_t max_positions) {
  auto parameters = object_or_none(object_or_none(json, "rope_parameters"), kind);
  if (parameters.empty()) {
    parameters["rope_type"] = "default";  // so that "type", an older word for it, has no effect, as in transformers
  }
  parameters.update(more);
  if (!parameters.contains("rope_theta") && json.contains(theta_key)) {
    parameters["rope_theta"] = json[theta_key];
  }
  auto flat = Json::object();
  flat["rope_parameters"] = std::move(parameters);
  return nn::RopeConfig::from_json(flat, default_theta, max_positions);
}

/// A number that may be null, which means that there is none and is returned as 0.
double gemma_cap(const Json& json, const char* key, double fallback) {
  const auto cap = json.contains(key) ? json_get_or(json, key, 0.0, "config.json") : fallback;
  const bool none = cap == 0 && (!json.contains(key) || json[key].is_null());
  require(none || cap > 0, ErrorKind::format, "config.json: {} must be above 0, or null, got {}", key, cap);
  return cap;
}

ModelSizes parse_gemma_sizes(const Json& json, const GemmaDefaults& defaults) {
  ModelSizes sizes;
  sizes.model_type = json_get<std::string>(json, "model_type", "config.json");
  const auto size = [&](const char* key, int64_t fallback) { return get_size_unless_missing(json, key, fallback); };
  sizes.vocab_size = size("vocab_size", defaults.vocab_size);
  sizes.num_classes = std::ssize(class_names(json));
  sizes.hidden_size = size("hidden_size", 2304);
  sizes.num_layers = size("num_hidden_layers", 26);
  sizes.max_positions = size("max_position_embeddings", defaults.max_positions);
  sizes.num_heads = size("num_attention_heads", 8);
  sizes.num_kv_heads = size("num_key_value_heads", 4);
  sizes.head_dim = size("head_dim", 256);
  sizes.intermediate_size = size("intermediate_size", 9216);
  sizes.tied = get_unless_missing(json, "tie_word_embeddings", true);
  require_head_groups(sizes.num_heads, sizes.num_kv_heads);
  return sizes;
}

/// The rotations, by number. In older configs of Gemma 3, `rope_scaling` applies to the layers that see all positions.
std::vector<nn::RopeConfig> parse_gemma_ropes(const Json& json, bool is_gemma3, int64_t max_positions) {
  if (!is_gemma3) {
    return {nn::RopeConfig::from_json(json, 1e4, max_positions)};
  }
  std::vector<nn::RopeConfig> ropes(2);
  ropes[kGlobal] =
      gemma_rope(json, "full_attention", object_or_none(json, "rope_scaling"), "rope_theta", 1e6, max_positions);
  ropes[kLocal] = gemma_rope(json, "sliding_attention", Json::object(), "rope_local_base_freq", 1e4, max_positions);
  return ropes;
}

GemmaConfig parse_gemma_config(const Json& json) {
  constexpr std::string_view where = "config.json";
  GemmaConfig config;
  config.is_gemma3 = json_get<std::string>(json, "model_type", where) == "gemma3_text";
  const auto& defaults = config.is_gemma3 ? kGemma3Defaults : kGemma2Defaults;
  auto& sizes = config.sizes;
  sizes = parse_gemma_sizes(json, defaults);
  config.norm_eps = get_unless_missing(json, "rms_norm_eps", 1e-6);
  config.attention_bias = get_unless_missing(json, "attention_bias", false);
  config.activation = parse_activation(get_unless_missing<std::string>(json, "hidden_activation", "gelu_pytorch_tanh"));
  const auto scalar = get_unless_missing(json, "query_pre_attn_scalar", 256.0);
  require(scalar > 0, ErrorKind::format, "{}: query_pre_attn_scalar must be above 0, got {}", where, scalar);
  config.attention_scale = 1 / std::sqrt(scalar);
  config.logit_cap = gemma_cap(json, "final_logit_softcapping", defaults.logit_cap);
  // transformers' class of Gemma 3 reads attn_logit_softcapping too, and does nothing with it.
  config.attention_cap = config.is_gemma3 ? 0 : gemma_cap(json, "attn_logit_softcapping", defaults.attention_cap);
  require(!json_get_or(json, "use_bidirectional_attention", false, where), ErrorKind::unsupported,
          "{}: use_bidirectional_attention must be false: dstorch has only models that look back", where);
  const bool names_pattern = config.is_gemma3 && json.contains("sliding_window_pattern");
  config.sliding = gemma_sliding_layers(json, sizes.num_layers,
                                        names_pattern ? get_size(json, "sliding_window_pattern") : defaults.pattern);
  config.window = json.contains("sliding_window") ? get_size(json, "sliding_window") : 4096;
  config.ropes = parse_gemma_ropes(json, config.is_gemma3, sizes.max_positions);
  for (const auto& rope : config.ropes) {
    sizes.max_positions = rope.most_positions(sizes.max_positions);
  }
  return config;
}

std::shared_ptr<nn::Norm> make_gemma_norm(const GemmaConfig& config, const nn::WeightScope& scope, int64_t features) {
  return std::make_shared<nn::Norm>(scope, ops::NormKind::rms, features, config.norm_eps, kNormOffset);
}

class GemmaAttention : public SplitAttention {
 public:
  GemmaAttention(const GemmaConfig& config, const nn::WeightScope& scope, bool sliding)
      : SplitAttention(scope, config.sizes, config.attention_bias, config.attention_bias),
        rotation_(config.is_gemma3 && sliding ? kLocal : kGlobal) {
    config_.scale = config.attention_scale;
    config_.cap = config.attention_cap;
    config_.sliding_window = sliding ? config.window : 0;
    if (config.is_gemma3) {
      const auto add_norm = [&](const std::string& name) {
        return register_module(name, make_gemma_norm(config, scope / name, config_.head_dim))->weights();
      };
      config_.query_norm = add_norm("q_norm");
      config_.key_norm = add_norm("k_norm");
    }
  }

  /// x [rows, hidden] + after(attention(before(x)))
  at::Tensor forward(at::Tensor x, const nn::Norm& before, const nn::Norm& after, const nn::Pass& pass,
                     const ops::LayerSlot& slot) {
    const auto qkv =
        pass.norm_linear(x, before, {q_.get(), k_.get(), v_.get()});   // [rows, (heads + 2 * kv_heads) * head_dim]
    const auto mixed = pass.attention(qkv, config_, slot, rotation_);  // [rows, heads * head_dim]
    return pass.linear_norm_residual(mixed, *o_, after, std::move(x));
  }

 private:
  std::size_t rotation_;
};

class GemmaLayer : public DecoderBlock {
 public:
  GemmaLayer(const GemmaConfig& config, const nn::WeightScope& scope, bool sliding)
      : before_attention_(add_norm("input_layernorm", config, scope)),
        attention_(
            register_module("self_attn", std::make_shared<GemmaAttention>(config, scope / "self_attn", sliding))),
        after_attention_(add_norm("post_attention_layernorm", config, scope)),
        before_mlp_(add_norm("pre_feedforward_layernorm", config, scope)),
        mlp_(register_module(
            "mlp", std::make_shared<GatedMlp>(scope / "mlp", config.sizes.hidden_size, config.sizes.intermediate_size,
                                              /*bias=*/false, config.activation))),
        after_mlp_(add_norm("post_feedforward_layernorm", config, scope)) {}

  /// x [rows, hidden] -> [rows, hidden]
  at::Tensor forward(at::Tensor x, const nn::Pass& pass, const ops::LayerSlot& slot) override {
    x = attention_->forward(std::move(x), *before_attention_, *after_attention_, pass, slot);
    const auto gated = mlp_->inner(x, *before_mlp_, pass);  // [rows, intermediate]
    return pass.linear_norm_residual(gated, mlp_->down(), *after_mlp_, std::move(x));
  }
  [[nodiscard]] int64_t window() const override { return attention_->window(); }

 private:
  std::shared_ptr<nn::Norm> add_norm(const std::string& name, const GemmaConfig& config, const nn::WeightScope& scope) {
    return register_module(name, make_gemma_norm(config, scope / name, config.sizes.hidden_size));
  }

  std::shared_ptr<nn::Norm> before_attention_;
  std::shared_ptr<GemmaAttention> attention_;
  std::shared_ptr<nn::Norm> after_attention_, before_mlp_;
  std::shared_ptr<GatedMlp> mlp_;
  std::shared_ptr<nn::Norm> after_mlp_;
};

}  // namespace

std::shared_ptr<LanguageModel> create_gemma(const Json& json, nn::WeightSource& weights, const ModelOptions& options) {
  const auto config = parse_gemma_config(json);
  DecoderConfig decoder;
  decoder.sizes = config.sizes;
  decoder.norm_eps = config.norm_eps;
  decoder.norm_offset = kNormOffset;
  decoder.embedding_scale = std::sqrt(static_cast<double>(config.sizes.hidden_size));
  decoder.embedding_scale_is_weight = true;
  decoder.logit_cap = config.logit_cap;
  const auto make_block = [&](const nn::WeightScope& scope, int64_t index) {
    return std::make_shared<GemmaLayer>(config, scope, config.sliding[static_cast<std::size_t>(index)]);
  };
  std::vector<std::unique_ptr<nn::Rope>> ropes;
  for (const auto& rope : config.ropes) {
    ropes.push_back(std::make_unique<nn::Rope>(rope, config.sizes.head_dim, options.device));
  }
  return std::make_shared<Decoder>(decoder, weights, make_block, std::move(ropes));
}

}  // namespace dstorch::models
