#include "dstorch/simple_transformer.h"

#include <ATen/CPUGeneratorImpl.h>

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

/// Linear layers stand at the even places of the Sequential, ReLUs between them.
std::string layer_name(std::size_t layer, const char* parameter) { return fmt::format("{}.{}", 2 * layer, parameter); }

}  // namespace

SimpleTransformer::SimpleTransformer(const Architecture& architecture, uint64_t seed, const Device& device)
    : architecture_(architecture) {
  check(architecture);
  const MemoryScope scope(MemoryKind::weights);
  const auto options = at::TensorOptions().dtype(at::kFloat).device(to_torch(device));
  auto generator = at::detail::createCPUGenerator(seed);
  std::vector<at::Tensor> weights;
  std::vector<at::Tensor> biases;
  for (int64_t layer = 0; layer <= architecture.num_layers; ++layer) {
    const auto in = layer == 0 ? architecture.input_size : architecture.hidden_size;
    const auto out = layer == architecture.num_layers ? architecture.output_size : architecture.hidden_size;
    const double bound = 1.0 / std::sqrt(static_cast<double>(in));
    // Drawn on the CPU so that a seed means the same on every device.
    weights.push_back(at::empty({out, in}, at::kFloat).uniform_(-bound, bound, generator).to(options));
    biases.push_back(at::empty({out}, at::kFloat).uniform_(-bound, bound, generator).to(options));
  }
  add_layers(std::move(weights), std::move(biases));
}

SimpleTransformer::SimpleTransformer(std::shared_ptr<const Checkpoint> checkpoint, const Device& device) {
  const auto architecture = simple_transformer_architecture(*checkpoint);
  require(architecture.has_value(), ErrorKind::format,
          "a plain state dict must hold 0.weight [hidden, input], 0.bias, 2.weight, ... of Linear and ReLU in turn");
  architecture_ = *architecture;
  const MemoryScope scope(MemoryKind::weights);
  std::vector<at::Tensor> weights;
  std::vector<at::Tensor> biases;
  const auto load = [&](const std::string& name) {
    const auto& view = *checkpoint->find(name);
    const auto tensor = models::tensor_over(checkpoint, view);
    const auto dtype = tensor.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    return models::count_in_place(tensor.to(to_torch(device), dtype), view, *checkpoint);
  };
  for (std::size_t layer = 0; layer <= static_cast<std::size_t>(architecture_.num_layers); ++layer) {
    weights.push_back(load(layer_name(layer, "weight")));
    biases.push_back(load(layer_name(layer, "bias")));
  }
  add_layers(std::move(weights), std::move(biases));
}

void SimpleTransformer::add_layers(std::vector<at::Tensor> weights, std::vector<at::Tensor> biases) {
  for (std::size_t layer = 0; layer < weights.size(); ++layer) {
    // A parameter's name may not hold a dot, so each Linear is a module of its own, as in the Sequential.
    auto linear = register_module(std::to_string(2 * layer), std::make_shared<torch::nn::Module>());
    weights_.push_back(linear->register_parameter("weight", std::move(weights[layer])));
    biases_.push_back(linear->register_parameter("bias", std::move(biases[layer])));
  }
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
  const auto count = checkpoint.tensors().size();
  if (count < 4 || count % 2 != 0) {
    return std::nullopt;
  }
  const std::size_t layers = count / 2;
  int64_t previous = -1;
  Architecture architecture;
  for (std::size_t layer = 0; layer < layers; ++layer) {
    const auto* weight = checkpoint.find(layer_name(layer, "weight"));
    const auto* bias = checkpoint.find(layer_name(layer, "bias"));
    const bool fits = weight != nullptr && bias != nullptr && weight->shape.size() == 2 && bias->shape.size() == 1 &&
                      bias->shape[0] == weight->shape[0] && (layer == 0 || weight->shape[1] == previous);
    if (!fits) {
      return std::nullopt;
    }
    if (layer == 0) {
      architecture.input_size = weight->shape[1];
      architecture.hidden_size = weight->shape[0];
    } else if (layer + 1 < layers && weight->shape[0] != architecture.hidden_size) {
      return std::nullopt;
    }
    previous = weight->shape[0];
  }
  architecture.output_size = previous;
  architecture.num_layers = static_cast<int64_t>(layers) - 1;
  return architecture;
}

}  // namespace dstorch
