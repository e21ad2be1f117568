#include "nn/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

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
  if (config.attention_factor > 0) {
    return config.attention_factor;
  }
  if (config.mscale > 0 && config.mscale_all_dim > 0) {
    return yarn_mscale(config.factor, config.mscale) / yarn_mscale(config.factor, config.mscale_all_dim);
  }
  return yarn_mscale(config.factor, 1.0);
}

}  // namespace

RopeConfig RopeConfig::from_json(const Json& config, double default_theta, int64_t max_positions) {
  constexpr std::string_view where = "config.json";
  RopeConfig rope;
  Json scaling = Json::object();
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const auto it = config.find(key);
    if (it == config.end() || it->is_null()) {
      continue;
    }
    require(it->is_object(), ErrorKind::format, "{}: \"{}\" must be an object or null, it is {}", where, key,
            it->dump().substr(0, 80));
    scaling = *it;
    break;
  }
  rope.theta =
      json_get_or<double>(scaling, "rope_theta", json_get_or(config, "rope_theta", default_theta, where), where);
  rope.type = json_get_or<std::string>(scaling, "rope_type",
                                       json_get_or<std::string>(scaling, "type", "default", where), where);
  rope.factor = json_get_or(scaling, "factor", 1.0, where);
  rope.low_freq_factor = json_get_or(scaling, "low_freq_factor", 1.0, where);
  rope.high_freq_factor = json_get_or(scaling, "high_freq_factor", 4.0, where);
  rope.original_max_positions = json_get_or(
      scaling, "original_max_position_embeddings",
      json_get_or(config, "original_max_position_embeddings", static_cast<double>(max_positions), where), where);
  if (rope.type == "yarn" && (!scaling.contains("factor") || scaling["factor"].is_null())) {
    rope.factor = static_cast<double>(max_positions) / rope.original_max_positions;
  }
  rope.beta_fast = json_get_or(scaling, "beta_fast", 32.0, where);
  rope.beta_slow = json_get_or(scaling, "beta_slow", 1.0, where);
  rope.attention_factor = json_get_or(scaling, "attention_factor", 0.0, where);
  rope.mscale = json_get_or(scaling, "mscale", 0.0, where);
  rope.mscale_all_dim = json_get_or(scaling, "mscale_all_dim", 0.0, where);
  rope.truncate = json_get_or(scaling, "truncate", true, where);
  // Hugging Face ignores a partial factor for the default type of these families; no known checkpoint has one.
  const auto rotated_share =
      json_get_or(scaling, "partial_rotary_factor", json_get_or(config, "partial_rotary_factor", 1.0, where), where);
  require(rotated_share == 1.0, ErrorKind::unsupported, "{}: partial_rotary_factor must be 1, got {}", where,
          rotated_share);
  const bool known = rope.type == "default" || rope.type == "linear" || rope.type == "dynamic" ||
                     rope.type == "llama3" || rope.type == "yarn";
  require(known, ErrorKind::unsupported, "{}: rope type must be default, linear, dynamic, llama3 or yarn, got \"{}\"",
          where, rope.type);
  require(rope.theta > 0 && rope.factor > 0 && rope.original_max_positions > 0 && rope.low_freq_factor > 0 &&
              rope.high_freq_factor > 0,
          ErrorKind::format, "{}: rope theta and factors must be above 0", where);
  return rope;
}

Rope::Rope(const RopeConfig& config, int64_t head_dim, at::Device device) : device_(device) {
  require(head_dim % 2 == 0, ErrorKind::format, "config.json: head_dim must be even to be rotated, got {}", head_dim);
  for (int64_t i = 0; i < head_dim; i += 2) {
    frequencies_.push_back(std::pow(config.theta, -static_cast<double>(i) / static_cast<double>(head_dim)));
  }
  if (config.type == "linear") {
    for (auto& frequency : frequencies_) {
      frequency /= config.factor;
    }
  } else if (config.type == "llama3") {
    scale_llama3(config, frequencies_);
  } else if (config.type == "yarn") {
    amplitude_ = scale_yarn(config, head_dim, frequencies_);
  }
}

ops::RopeTable Rope::table(int64_t positions) {
  const std::lock_guard lock(mutex_);
  const int64_t have = table_.cos.defined() ? table_.cos.size(0) : 0;
  if (have < positions) {
    const MemoryScope scope(MemoryKind::other);  // it outlives the pass that asked for it
    const int64_t rows = std::max(positions, std::max<int64_t>(256, 2 * have));
    const auto half = static_cast<int64_t>(frequencies_.size());
    auto cos = at::empty({rows, half}, at::kFloat);
    auto sin = at::empty({rows, half}, at::kFloat);
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

}  // namespace dstorch::nn
