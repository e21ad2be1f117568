#include "train/trainable_adapter.h"

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>

#include "core/atomic_file.h"
#include "core/rng.h"
#include "core/throw.h"
#include "device/memory_account.h"
#include "engine/adapter_file.h"
#include "io/crc32.h"
#include "io/deferred_tensor.h"
#include "train/initialize.h"
#include "train/tensor_views.h"

namespace dstorch::training {
namespace {

constexpr const char* kAllLinear = "all-linear";

bool is_target(const std::string& layer, const std::string& target) {
  return layer == target || layer.ends_with("." + target) || engine::matches_whole(target, layer);
}

uint64_t id_of(const std::string& layer) { return crc32(std::as_bytes(std::span(layer))); }

/// Uniform in ±1/sqrt(in): [rank, in]
at::Tensor draw(int64_t rank, int64_t in, Rng rng, at::Device device) {
  if (device.is_meta()) {
    return at::empty({rank, in}, at::TensorOptions(at::kFloat).device(device));
  }
  auto values = at::empty({rank, in}, at::kFloat);
  const double bound = 1 / std::sqrt(static_cast<double>(in));
  auto* data = values.data_ptr<float>();
  for (int64_t i = 0; i < rank * in; ++i) {
    data[i] = static_cast<float>((2 * rng.uniform() - 1) * bound);
  }
  return values;
}

}  // namespace

std::vector<std::string> target_layers(const models::LanguageModel& model, const std::vector<std::string>& targets) {
  std::vector<std::string> linear;
  std::vector<std::string> known;
  std::set<std::string> ends;
  for (const auto& [name, layer] : engine::linear_layers(model)) {
    known.push_back(name);
    ends.insert(name.substr(name.rfind('.') + 1));
    if (!model.parts().is_head(name)) {
      linear.push_back(name);
    }
  }
  for (const auto& [name, table] : engine::embedding_tables(model)) {
    known.push_back(name);
    ends.insert(name.substr(name.rfind('.') + 1));
  }
  std::set<std::string> chosen;
  for (const auto& target : targets) {
    std::vector<std::string> named;
    if (target == kAllLinear) {
      named = linear;
    } else {
      std::copy_if(known.begin(), known.end(), std::back_inserter(named),
                   [&](const std::string& layer) { return is_target(layer, target); });
    }
    require(!named.empty(), ErrorKind::invalid_argument,
            "lora_targets: \"{}\" names no layer of the model; their names end with {}", target, fmt::join(ends, ", "));
    chosen.insert(named.begin(), named.end());
  }
  return {chosen.begin(), chosen.end()};
}

TrainableAdapter::TrainableAdapter(const models::LanguageModel& model, engine::LoraConfig config,
                                   const std::vector<std::string>& layers, uint64_t seed)
    : config_(std::move(config)), layers_(layers) {
  const MemoryScope scope(MemoryKind::weights);
  const auto linear = engine::linear_layers(model);
  const auto tables = engine::embedding_tables(model);
  for (const auto& name : layers_) {
    const Rng rng(Rng(seed).next() ^ Rng(id_of(name)).next());
    const auto rank = config_.rank_of(name);
    nn::LowRank change{{}, {}, config_.scale_of(name), config_.dropout, id_of(name)};
    if (const auto it = tables.find(name); it != tables.end()) {
      // As peft has it: the first matrix 0, the second from a normal distribution.
      change.a = at::zeros({rank, it->second->count()}, at::kFloat).requires_grad_();
      change.b = draw_normal({it->second->features(), rank}, 1, rng).requires_grad_();
      parameters_.emplace_back(name + ".lora_embedding_A", change.a);
      parameters_.emplace_back(name + ".lora_embedding_B", change.b);
      adapter_.add(*it->second, change);
      continue;
    }
    const auto& layer = *linear.at(name);
    conv1d_ = conv1d_ || layer.layout() == nn::Linear::Layout::in_out;
    const auto device = layer.weights().weight.data.device();
    change.a = draw(rank, layer.in_features(), rng, device).requires_grad_();
    change.b = at::zeros({layer.out_features(), rank}, at::TensorOptions(at::kFloat).device(device)).requires_grad_();
    parameters_.emplace_back(name + ".lora_A.weight", change.a);
    parameters_.emplace_back(name + ".lora_B.weight", change.b);
    adapter_.add(layer, change);
  }
}

void TrainableAdapter::keep_whole(const std::string& module, at::Tensor parameter) {
  config_.modules_to_save.push_back(module);
  parameters_.emplace_back(module + ".weight", parameter.requires_grad_());
}

void TrainableAdapter::save(const std::filesystem::path& directory) const {
  std::vector<DeferredTensor> tensors;
  for (const auto& [name, parameter] : parameters_) {
    tensors.push_back(to_be_saved("base_model.model." + name, parameter, at::kFloat));
  }
  save_deferred_safetensors(directory / "adapter_model.safetensors", tensors, {{"format", "pt"}});
  write_file(directory / "adapter_config.json", engine::to_peft_json(config_, layers_, conv1d_).dump(2) + "\n");
}

}  // namespace dstorch::training
