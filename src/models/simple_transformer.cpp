#include "dstorch/simple_transformer.h"

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cmath>

#include "core/throw.h"
#include "device/memory_account.h"
#include "device/torch_types.h"
#include "models/checkpoint_weights.h"

namespace dstorch {
namespace {

constexpr int64_t kMaxSize = int64_t{1} << 24;
constexpr int64_t kMaxLayers = 10'000;

void check(const Architecture& architecture) {
  const auto check_size = [](const char* name, int64_t value, int64_t most) {
    require(value >= 1 && value <= most, ErrorKind::invalid_argument,
            "architecture: {} must be between 1 and {}, got {}", name, most, value);
  };
  check_size("input_size", architecture.input_size, kMaxSize);
  check_size("hidden_size", architecture.hidden_size, kMaxSize);
  check_size("output_size", architecture.output_size, kMaxSize);
  check_size("num_layers", architecture.num_layers, kMaxLayers);
}

}  // namespace

SimpleTransformer::SimpleTransformer(const Architecture& architecture, uint64_t seed, const Device& device)
    : architecture_(architecture) {
  check(architecture);
  const MemoryScope scope(MemoryKind::weights);
  const auto options = at::TensorOptions().dtype(at::kFloat).device(to_torch(device));
  auto generator = at::detail::createCPUGenerator(seed);
  for (int64_t layer = 0; layer <= architecture.num_layers; ++layer) {
    const auto in = layer == 0 ? architecture.input_size : architecture.hidden_size;
    const auto out = layer == architecture.num_layers ? architecture.output_size : architecture.hidden_size;
    const double bound = 1.0 / std::sqrt(static_cast<double>(in));
    // Drawn on the CPU so that a seed means the same on every device.
    auto weight = at::empty({out, in}, at::kFloat).uniform_(-bound, bound, generator).to(options);
    auto bias = at::empty({out}, at::kFloat).uniform_(-bound, bound, generator).to(options);
    // Linear layers stand at the even places of the Sequential, ReLUs between them.
    const auto place = std::to_string(2 * layer);
    add_layer(place + ".weight", std::move(weight), place + ".bias", std::move(bias));
  }
}

SimpleTransformer::SimpleTransformer(std::shared_ptr<const Checkpoint> checkpoint, const Device& device) {
  const auto layers = linear_stack(*checkpoint);
  require(
      !layers.empty(), ErrorKind::format,
      "a plain state dict must hold a stack of linear layers and nothing else: matrices [out, in], two or more, each "
      "as wide as the one before it has rows, with or without a bias [out]");
  architecture_ = *simple_transformer_architecture(*checkpoint);
  const MemoryScope scope(MemoryKind::weights);
  const bool is_double = std::any_of(layers.begin(), layers.end(),
                                     [](const LinearLayer& layer) { return layer.weight->dtype == DType::float64; });
  const auto load = [&](const TensorView& view) {
    const auto tensor = models::tensor_over(checkpoint, view);
    return models::count_in_place(tensor.to(to_torch(device), is_double ? at::kDouble : at::kFloat), view, *checkpoint);
  };
  for (const auto& [weight, bias] : layers) {
    add_layer(weight->name, load(*weight), bias != nullptr ? bias->name : "",
              bias != nullptr ? load(*bias) : at::Tensor());
  }
}

void SimpleTransformer::add_layer(const std::string& weight_name, at::Tensor weight, const std::string& bias_name,
                                  at::Tensor bias) {
  weights_.push_back(add_parameter(weight_name, std::move(weight)));
  biases_.push_back(bias.defined() ? add_parameter(bias_name, std::move(bias)) : at::Tensor());
}

at::Tensor SimpleTransformer::add_parameter(const std::string& name, at::Tensor value) {
  // A parameter's name may not hold a dot: each part before one is a module of its own.
  torch::nn::Module* module = this;
  std::size_t begin = 0;
  for (auto dot = name.find('.'); dot != std::string::npos; dot = name.find('.', begin)) {
    const auto part = name.substr(begin, dot - begin);
    const auto children = module->named_children();
    const auto* child = children.find(part);
    module =
        child != nullptr ? child->get() : module->register_module(part, std::make_shared<torch::nn::Module>()).get();
    begin = dot + 1;
  }
  return module->register_parameter(name.substr(begin), std::move(value));
}

at::Tensor SimpleTransformer::forward(const at::Tensor& x) {
  auto y = x.to(weights_.front().scalar_type());
  for (std::size_t layer = 0; layer < weights_.size(); ++layer) {
    y = at::linear(y, weights_[layer], biases_[layer]);
    if (layer + 1 < weights_.size()) {
      y = at::relu(y);
    }
  }
  return y;
}

std::optional<Architecture> simple_transformer_architecture(const Checkpoint& checkpoint) {
  const auto layers = linear_stack(checkpoint);
  if (layers.empty()) {
    return std::nullopt;
  }
  Architecture architecture;
  architecture.input_size = layers.front().weight->shape[1];
  architecture.output_size = layers.back().weight->shape[0];
  architecture.num_layers = static_cast<int64_t>(layers.size()) - 1;
  architecture.hidden_size = 0;
  for (std::size_t i = 0; i + 1 < layers.size(); ++i) {
    architecture.hidden_size = std::max(architecture.hidden_size, layers[i].weight->shape[0]);
  }
  return architecture;
}

}  // namespace dstorch
