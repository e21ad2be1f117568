#include "train/initialize.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <string_view>

#include "core/rng.h"
#include "device/dry_run.h"

namespace dstorch::training {
namespace {

bool writes_residual(std::string_view name, const std::vector<std::string>& layers) {
  return std::any_of(layers.begin(), layers.end(),
                     [&](const auto& layer) { return name.ends_with(layer + ".weight"); });
}

uint64_t mix(uint64_t seed, std::string_view name) {
  uint64_t hash = 0xCBF29CE484222325ULL ^ Rng(seed).next();  // FNV-1a
  for (const char c : name) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  }
  return hash;
}

/// What drawing `parameter` takes: the numbers are drawn on the CPU, and a device that is another copies those that
/// shall not lie as they come.
void draw_dry(const at::Tensor& parameter) {
  if (DryRun::meaning(parameter.device()).is_cpu() || !parameter.is_contiguous()) {
    const auto drawn = at::empty(parameter.sizes(), parameter.options());
  }
}

}  // namespace

at::Tensor draw_normal(at::IntArrayRef shape, double deviation, Rng rng) {  // Box-Muller
  auto values = at::empty(shape, at::kFloat);
  auto* data = values.data_ptr<float>();
  const auto count = values.numel();
  for (int64_t i = 0; i < count; i += 2) {
    const double radius = deviation * std::sqrt(-2 * std::log(1 - rng.uniform()));
    const double angle = 2 * std::numbers::pi * rng.uniform();
    data[i] = static_cast<float>(radius * std::cos(angle));
    if (i + 1 < count) {
      data[i + 1] = static_cast<float>(radius * std::sin(angle));
    }
  }
  return values;
}

void initialize_parameters(torch::nn::Module& model, const Initialization& how) {
  const at::NoGradGuard no_grad;
  for (auto& entry : model.named_parameters()) {
    const auto& name = entry.key();
    auto& parameter = entry.value();
    if (parameter.dim() < 2) {
      parameter.fill_(name.ends_with("bias") ? 0.0 : how.norm_weight);
      continue;
    }
    const bool residual = writes_residual(name, how.residual_layers);
    const double scale = residual ? 1 / std::sqrt(2.0 * static_cast<double>(how.num_layers)) : 1.0;
    if (parameter.is_meta()) {
      draw_dry(parameter);
      continue;
    }
    parameter.copy_(draw_normal(parameter.sizes(), how.range * scale, Rng(mix(how.seed, name))));
  }
}

}  // namespace dstorch::training
