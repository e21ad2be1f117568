#include "engine/lora_config.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "core/throw.h"
#include "models/classes.h"
#include "text/regex.h"

namespace dstorch::engine {
namespace {

constexpr std::string_view kAllLinear = "all-linear";
constexpr int64_t kLargestRank = int64_t{1} << 16;

/// Keys that are understood, or that have no influence on what an adapter computes.
const std::set<std::string>& known_keys() {
  static const std::set<std::string> keys{"alpha_pattern",
                                          "auto_mapping",
                                          "base_model_name_or_path",
                                          "bias",
                                          "ensure_weight_tying",
                                          "eva_config",
                                          "exclude_modules",
                                          "fan_in_fan_out",
                                          "inference_mode",
                                          "init_lora_weights",
                                          "layers_pattern",
                                          "layers_to_transform",
                                          "loftq_config",
                                          "lora_alpha",
                                          "lora_dropout",
                                          "megatron_core",
                                          "modules_to_save",
                                          "peft_type",
                                          "peft_version",
                                          "qalora_group_size",
                                          "r",
                                          "rank_pattern",
                                          "revision",
                                          "target_modules",
                                          "task_type",
                                          "use_rslora"};
  return keys;
}

bool is_off(const Json& value) {
  return value.is_null() || (value.is_boolean() && !value.get<bool>()) ||
         ((value.is_object() || value.is_array()) && value.empty());
}

void require_plain_lora(const Json& json, const std::string& where) {
  const auto type = json_get<std::string>(json, "peft_type", where);
  require(type == "LORA", ErrorKind::unsupported, "{}: peft_type must be LORA, it is {}", where, type);
  for (const auto& [key, value] : json.items()) {
    require(known_keys().contains(key) || is_off(value), ErrorKind::unsupported,
            "{}: plain LoRA alone is supported, and \"{}\" is {}", where, key, value.dump().substr(0, 80));
  }
  const auto bias = json_get_or<std::string>(json, "bias", "none", where);
  require(bias == "none", ErrorKind::unsupported, "{}: adapters that train biases are not supported: bias is \"{}\"",
          where, bias);
  // These ways of initialising change the base model's weights, so that the adapter does not fit the base that it
  // names.
  if (const auto it = json.find("init_lora_weights"); it != json.end() && it->is_string()) {
    const auto how = it->get<std::string>();
    for (const char* name : {"pissa", "olora", "corda", "loftq", "lora_ga"}) {
      require(!how.starts_with(name), ErrorKind::unsupported,
              "{}: init_lora_weights \"{}\" changes the base model's weights too, which is not supported", where, how);
    }
  }
}

/// A text, a list of texts, or nothing.
std::vector<std::string> texts(const Json& json, const char* key, const std::string& where) {
  const auto it = json.find(key);
  if (it == json.end() || it->is_null()) {
    return {};
  }
  return it->is_string() ? std::vector<std::string>{it->get<std::string>()}
                         : json_get<std::vector<std::string>>(json, key, where);
}

template <typename Value>
std::vector<std::pair<std::string, Value>> patterns(const OrderedJson& json, const char* key,
                                                    const std::string& where) {
  std::vector<std::pair<std::string, Value>> result;
  const auto it = json.find(key);
  if (it == json.end() || it->is_null()) {
    return result;
  }
  require(it->is_object(), ErrorKind::format, "{}: \"{}\" must be an object", where, key);
  for (const auto& entry : it->items()) {
    Json one;
    one[entry.key()] = Json::parse(entry.value().dump());
    result.emplace_back(entry.key(), json_get<Value>(one, entry.key(), where));
  }
  return result;
}

bool named(const std::vector<std::string>& names, const std::string& module) {
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return module == name || module.ends_with("." + name); });
}

template <typename Value>
Value value_of(const std::vector<std::pair<std::string, Value>>& patterns, const std::string& module, Value otherwise) {
  for (const auto& [pattern, value] : patterns) {
    if (matches_whole("(.*\\.)?(" + pattern + ")", module)) {
      return value;
    }
  }
  return otherwise;
}

/// The number of the layer in "model.layers.3.mlp.up_proj", after a part that `patterns` name, if there are any.
std::optional<int64_t> layer_of(const std::string& module, const std::vector<std::string>& patterns) {
  std::string part;
  std::string before;
  std::size_t begin = 0;
  while (begin <= module.size()) {
    const auto end = std::min(module.find('.', begin), module.size());
    part = module.substr(begin, end - begin);
    const bool number = !part.empty() && part.size() < 10 && part.find_first_not_of("0123456789") == std::string::npos;
    const bool wanted =
        patterns.empty() || std::any_of(patterns.begin(), patterns.end(),
                                        [&](const std::string& pattern) { return matches_whole(pattern, before); });
    if (number && wanted && end < module.size()) {
      return std::stoll(part);
    }
    before = part;
    begin = end + 1;
  }
  return std::nullopt;
}

}  // namespace

bool matches_whole(const std::string& pattern, std::string_view text) {
  const text::Regex regex("\\A(?:" + pattern + ")\\z");
  text::Span match;
  return regex.find(text, 0, match);
}

LoraConfig LoraConfig::from_json(std::string_view text, const std::string& where) {
  const auto json = parse_json(text, where);
  require(json.is_object(), ErrorKind::format, "{} must be a JSON object", where);
  require_plain_lora(json, where);
  LoraConfig config;
  config.rank = json_get<int64_t>(json, "r", where);
  config.alpha = json_get_or<double>(json, "lora_alpha", 8, where);
  config.dropout = json_get_or<double>(json, "lora_dropout", 0, where);
  config.rslora = json_get_or(json, "use_rslora", false, where);
  config.base_model = json_get_or<std::string>(json, "base_model_name_or_path", "", where);
  config.modules_to_save = texts(json, "modules_to_save", where);
  config.classifies = json_get_or<std::string>(json, "task_type", "", where) == "SEQ_CLS";
  const auto ordered = OrderedJson::parse(text);
  config.rank_pattern = patterns<int64_t>(ordered, "rank_pattern", where);
  config.alpha_pattern = patterns<double>(ordered, "alpha_pattern", where);
  if (const auto it = json.find("target_modules"); it != json.end() && it->is_string()) {
    config.target_pattern = it->get<std::string>();
  } else {
    config.targets = texts(json, "target_modules", where);
  }
  if (const auto it = json.find("exclude_modules"); it != json.end() && it->is_string()) {
    config.exclude_pattern = it->get<std::string>();
  } else {
    config.excludes = texts(json, "exclude_modules", where);
  }
  if (const auto it = json.find("layers_to_transform"); it != json.end() && !it->is_null()) {
    config.layers = it->is_array() ? json_get<std::vector<int64_t>>(json, "layers_to_transform", where)
                                   : std::vector{json_get<int64_t>(json, "layers_to_transform", where)};
  }
  config.layers_patterns = texts(json, "layers_pattern", where);
  auto ranks = config.rank_pattern;
  ranks.emplace_back("", config.rank);
  for (const auto& [pattern, rank] : ranks) {
    require(rank >= 1 && rank <= kLargestRank, ErrorKind::format, "{}: ranks must be 1 to {}, one is {}", where,
            kLargestRank, rank);
  }
  return config;
}

bool LoraConfig::replaces(const std::string& module) const {
  return std::any_of(modules_to_save.begin(), modules_to_save.end(),
                     [&](const std::string& name) { return matches_whole("(|.*\\.)" + name + "(|\\..*)", module); });
}

bool LoraConfig::changes(const std::string& module, const models::ModelParts& parts) const {
  const bool excluded = exclude_pattern ? matches_whole(*exclude_pattern, module) : named(excludes, module);
  if (excluded || replaces(module)) {
    return false;
  }
  if (target_pattern) {
    auto lower = *target_pattern;
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : static_cast<char>(c);
    });
    return lower == kAllLinear ? !parts.is_head(module) : matches_whole(*target_pattern, module);
  }
  if (std::find(targets.begin(), targets.end(), module) != targets.end()) {
    return true;
  }
  if (!named(targets, module)) {
    return false;
  }
  if (layers.empty()) {
    return true;
  }
  const auto layer = layer_of(module, layers_patterns);
  return layer && std::find(layers.begin(), layers.end(), *layer) != layers.end();
}

int64_t LoraConfig::rank_of(const std::string& module) const { return value_of(rank_pattern, module, rank); }

double LoraConfig::alpha_of(const std::string& module) const { return value_of(alpha_pattern, module, alpha); }

double LoraConfig::scale_of(const std::string& module) const {
  const auto its_rank = static_cast<double>(rank_of(module));
  return alpha_of(module) / (rslora ? std::sqrt(its_rank) : its_rank);
}

OrderedJson to_peft_json(const LoraConfig& config, const std::vector<std::string>& modules, bool conv1d) {
  OrderedJson json;
  json["peft_type"] = "LORA";
  json["task_type"] = config.classifies ? "SEQ_CLS" : "CAUSAL_LM";
  json["base_model_name_or_path"] = config.base_model;
  json["r"] = config.rank;
  json["lora_alpha"] = config.alpha;
  json["lora_dropout"] = config.dropout;
  json["use_rslora"] = config.rslora;
  json["target_modules"] = modules;
  json["rank_pattern"] = OrderedJson::object();
  for (const auto& [pattern, value] : config.rank_pattern) {
    json["rank_pattern"][pattern] = value;
  }
  json["alpha_pattern"] = OrderedJson::object();
  for (const auto& [pattern, value] : config.alpha_pattern) {
    json["alpha_pattern"][pattern] = value;
  }
  json["modules_to_save"] = config.modules_to_save.empty() ? OrderedJson() : OrderedJson(config.modules_to_save);
  json["bias"] = "none";
  json["fan_in_fan_out"] = conv1d;
  json["use_dora"] = false;
  json["inference_mode"] = true;
  return json;
}

}  // namespace dstorch::engine
