#include "nn/rope.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <utility>

#include "device/memory_account.h"

namespace dstorch::nn {
namespace {

constexpr double kTwoPi = 2 * std::numbers::pi;

/// Llama 3.1: low frequencies are divided by `factor`, high ones kept, those between interpolated.
void scale_llama3(const RopeConfig& config, std::vector<double>& frequencies) {
  const double low_wavelength = config.original_max_positions / config.low_freq_factor;
  const double high_wavelength = config.original_max_positions / config.high_freq_factor;
  for (auto& frequency : frequencies) {
    const double wavelength = kTwoPi / frequency;
    if (wavelength > low_wavelength) {
      frequency /= config.factor;
    } else if (wavelength >= high_wavelength) {
      const double smooth = (config.original_max_positions / wavelength - config.low_freq_factor) /
                            (config.high_freq_factor - config.low_freq_factor);
      frequency = (1 - smooth) * frequency / config.factor + smooth * frequency;
    }
  }
}

double yarn_mscale(double factor, double mscale) { return factor <= 1 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0; }

/// YaRN (Peng et al. 2023): interpolates by dimension and scales the amplitude; returns the latter.
double scale_yarn(const RopeConfig& config, int64_t rotary_dim, std::vector<double>& frequencies) {
  const auto dimension_of = [&](double rotations) {
    return static_cast<double>(rotary_dim) * std::log(config.original_max_positions / (rotations * kTwoPi)) /
           (2 * std::log(config.theta));
  };
  double low = dimension_of(config.beta_fast);
  double high = dimension_of(config.beta_slow);
  if (config.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(rotary_dim - 1));
  if (low == high) {
    high += 0.001;
  }
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    frequencies[i] = frequencies[i] / config.factor * ramp + frequencies[i] * (1 - ramp);
  }
  if (config.attention_factor) {
    return *config.attention_factor;
  }
  if (config.mscale != 0 && config.mscale_all_dim != 0) {
    return yarn_mscale(config.factor, config.mscale) / yarn_mscale(config.factor, config.mscale_all_dim);
  }
  return yarn_mscale(config.factor, 1.0);
}

/// LongRoPE (Ding et al. 2024) up to the length a model was first trained with; returns the amplitude.
double scale_longrope(const RopeConfig& config, std::vector<double>& frequencies) {
  require(config.short_factor.size() == frequencies.size(), ErrorKind::format,
          "config.json: short_factor must have {} numbers, one for each pair of a head's dimensions, it has {}",
          frequencies.size(), config.short_factor.size());
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    frequencies[i] /= config.short_factor[i];
  }
  if (config.attention_factor) {
    return *config.attention_factor;
  }
  return config.factor <= 1 ? 1.0 : std::sqrt(1 + std::log(config.factor) / std::log(config.original_max_positions));
}

constexpr std::string_view kWhere = "config.json";

/// Whether config.json describes the rotation under `key`; null and {} do not.
bool says(const Json& config, const char* key) {
  const auto it = config.find(key);
  if (it == config.end() || it->is_null()) {
    return false;
  }
  require(it->is_object(), ErrorKind::format, "{}: \"{}\" must be an object or null, it is {}", kWhere, key,
          it->dump().substr(0, 80));
  return !it->empty();
}

/// The object that describes the rotation; empty if there is none.
Json parameters_of(const Json& config) {
  const auto* key = says(config, "rope_scaling") ? "rope_scaling" : "rope_parameters";
  if (!says(config, key)) {
    return Json::object();
  }
  for (const auto& [name, value] : config[key].items()) {
    require(!value.is_object(), ErrorKind::unsupported, "{}: {} must be the same for all layers, \"{}\" has its own",
            kWhere, key, name);
  }
  return config[key];
}

/// A number, or `fallback` for one that is missing, null or 0, as Python's `or` has it.
double number_or(const Json& json, const char* key, double fallback) {
  const auto value = json_get_or(json, key, 0.0, kWhere);
  return value != 0 ? value : fallback;
}

/// The new number of rows of a table that has `have` rows and needs `wanted`: at least doubled, so that a growing
/// sequence rarely has to wait for it.
int64_t grown(int64_t have, int64_t wanted) { return std::max(wanted, std::max<int64_t>(256, 2 * have)); }

bool is_known(const std::string& type) {
  constexpr std::array<std::string_view, 7> types{"default", "linear",   "dynamic",     "llama3",
                                                  "yarn",    "longrope", "proportional"};
  return std::find(types.begin(), types.end(), type) != types.end();
}

/// Reads the parameters that `rope.type` needs from `scaling`, which must have them.
void read_scaling(const Json& config, const Json& scaling, int64_t max_positions, RopeConfig& rope) {
  const bool has_original = rope.type == "llama3" || rope.type == "yarn" || rope.type == "longrope";
  rope.original_max_positions = static_cast<double>(max_positions);
  if (has_original) {
    // The key outside of `scaling` goes before the one inside, as in Phi-3.
    const auto inside = json_get_or(scaling, "original_max_position_embeddings", rope.original_max_positions, kWhere);
    rope.original_max_positions = json_get_or(config, "original_max_position_embeddings", inside, kWhere);
    require(rope.original_max_positions > 0, ErrorKind::format,
            "{}: original_max_position_embeddings must be above 0, got {}", kWhere, rope.original_max_positions);
  }
  const auto ratio = static_cast<double>(max_positions) / rope.original_max_positions;
  const bool null_means_ratio = rope.type == "longrope" || (rope.type == "yarn" && scaling.contains("factor"));
  const bool needs_none = rope.type == "default" || (rope.type == "proportional" && !scaling.contains("factor"));
  rope.factor = null_means_ratio ? json_get_or(scaling, "factor", ratio, kWhere)
                : needs_none     ? 1.0
                                 : json_get<double>(scaling, "factor", kWhere);
  if (rope.type == "llama3") {
    rope.low_freq_factor = json_get<double>(scaling, "low_freq_factor", kWhere);
    rope.high_freq_factor = json_get<double>(scaling, "high_freq_factor", kWhere);
  }
  if (scaling.contains("attention_factor") && !scaling["attention_factor"].is_null()) {
    rope.attention_factor = json_get<double>(scaling, "attention_factor", kWhere);
  }
  rope.beta_fast = number_or(scaling, "beta_fast", 32.0);
  rope.beta_slow = number_or(scaling, "beta_slow", 1.0);
  rope.mscale = json_get_or(scaling, "mscale", 0.0, kWhere);
  rope.mscale_all_dim = json_get_or(scaling, "mscale_all_dim", 0.0, kWhere);
  // transformers reads null as false; only a missing key means true.
  rope.truncate = !scaling.contains("truncate") || json_get_or(scaling, "truncate", false, kWhere);
  if (rope.type == "longrope") {
    rope.short_factor = json_get<std::vector<double>>(scaling, "short_factor", kWhere);
    (void)json_get<std::vector<double>>(scaling, "long_factor", kWhere);
  }
}

}  // namespace

RopeConfig RopeConfig::from_json(const Json& config, double default_theta, int64_t max_positions) {
  RopeConfig rope;
  const auto scaling = parameters_of(config);
  const auto& has_theta = scaling.contains("rope_theta") ? scaling : config;
  rope.theta = has_theta.contains("rope_theta") ? json_get<double>(has_theta, "rope_theta", kWhere) : default_theta;
  rope.type = json_get_or<std::string>(scaling, "rope_type",
                                       json_get_or<std::string>(scaling, "type", "default", kWhere), kWhere);
  require(is_known(rope.type), ErrorKind::unsupported,
          "{}: rope type must be default, linear, dynamic, llama3, yarn, longrope or proportional, got \"{}\"", kWhere,
          rope.type);
  read_scaling(config, scaling, max_positions, rope);
  const bool by_scaling = scaling.contains("partial_rotary_factor") && rope.type != "default";
  const auto share = by_scaling ? json_get<double>(scaling, "partial_rotary_factor", kWhere)
                                : json_get_or(config, "partial_rotary_factor", 1.0, kWhere);
  if (rope.type == "proportional") {
    rope.rotated_share = share;
  }
  // For these families the default rotation ignores the key, and with a scaled one transformers makes too few angles
  // for a head.
  require(share == 1.0 || rope.type == "proportional" || rope.type == "default", ErrorKind::unsupported,
          "{}: partial_rotary_factor must be 1 with rope type {}, got {}", kWhere, rope.type, share);
  const bool positive = std::all_of(rope.short_factor.begin(), rope.short_factor.end(), [](double f) { return f > 0; });
  require(rope.theta > 0 && rope.factor > 0 && rope.low_freq_factor > 0 && rope.high_freq_factor > 0 && positive &&
              rope.rotated_share >= 0 && rope.rotated_share <= 1,
          ErrorKind::format, "{}: rope theta and factors must be above 0", kWhere);
  return rope;
}

int64_t RopeConfig::most_positions(int64_t positions) const {
  return type == "longrope" ? std::min(positions, static_cast<int64_t>(original_max_positions)) : positions;
}

Rope::Rope(const RopeConfig& config, int64_t rotary_dim, at::Device device) : device_(device) {
  require(rotary_dim % 2 == 0, ErrorKind::format, "config.json: head_dim must be even to be rotated, got {}",
          rotary_dim);
  for (int64_t i = 0; i < rotary_dim; i += 2) {
    frequencies_.push_back(std::pow(config.theta, -static_cast<double>(i) / static_cast<double>(rotary_dim)));
  }
  if (config.type == "linear") {
    for (auto& frequency : frequencies_) {
      frequency /= config.factor;
    }
  } else if (config.type == "llama3") {
    scale_llama3(config, frequencies_);
  } else if (config.type == "yarn") {
    amplitude_ = scale_yarn(config, rotary_dim, frequencies_);
  } else if (config.type == "longrope") {
    amplitude_ = scale_longrope(config, frequencies_);
  } else if (config.type == "proportional") {
    const auto rotated = static_cast<std::size_t>(config.rotated_share * static_cast<double>(rotary_dim) / 2);
    for (std::size_t i = 0; i < frequencies_.size(); ++i) {
      frequencies_[i] = i < rotated ? frequencies_[i] / config.factor : 0.0;
    }
  }
}

ops::RopeTable Rope::table(int64_t positions) {
  const std::lock_guard lock(mutex_);
  const int64_t have = table_.cos.defined() ? table_.cos.size(0) : 0;
  if (have < positions) {
    const MemoryScope scope(MemoryKind::other);  // it outlives the pass that asked for it
    const int64_t rows = grown(have, positions);
    const auto half = static_cast<int64_t>(frequencies_.size());
    const auto options = at::TensorOptions(at::kFloat).device(device_.is_meta() ? at::kMeta : at::kCPU);
    auto cos = at::empty({rows, half}, options);
    auto sin = at::empty({rows, half}, options);
    if (device_.is_meta()) {
      table_ = {cos, sin};
      return table_;
    }
    auto* cos_data = cos.data_ptr<float>();
    auto* sin_data = sin.data_ptr<float>();
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t i = 0; i < half; ++i) {
        // The reference multiplies float32 frequencies by float32 positions; at long contexts the rounding shows.
        const float angle = static_cast<float>(row) * static_cast<float>(frequencies_[static_cast<std::size_t>(i)]);
        cos_data[row * half + i] = static_cast<float>(std::cos(static_cast<double>(angle)) * amplitude_);
        sin_data[row * half + i] = static_cast<float>(std::sin(static_cast<double>(angle)) * amplitude_);
      }
    }
    table_ = {cos.to(device_), sin.to(device_)};
  }
  return table_;
}

TableMemory Rope::memory(int64_t positions) const {
  const auto row = 2 * static_cast<int64_t>(frequencies_.size() * sizeof(float));  // a cosine and a sine of each
  int64_t rows = 0;
  int64_t before = 0;
  while (rows < positions) {
    before = std::exchange(rows, grown(rows, rows + 1));
  }
  return {rows * row, (rows + before) * row};
}

}  // namespace dstorch::nn
