// Writes a model directory of a given shape with random weights: speed depends on the shape alone.
//   random_model bench/shapes/llama-135m.json OUTPUT_DIRECTORY

#include <fmt/core.h>
#include <torch/torch.h>

#include <filesystem>

#include "core/atomic_file.h"
#include "core/json.h"
#include "device/torch_types.h"
#include "dstorch/checkpoint.h"
#include "models/registry.h"

namespace {

constexpr double kDeviation = 0.02;

void write(const std::filesystem::path& shape, const std::filesystem::path& output) {
  using namespace dstorch;
  const auto text = read_file(shape);
  const auto config = parse_json(text, shape.string());
  const auto dtype = parse_dtype(json_get_or<std::string>(config, "torch_dtype", "float32", shape.string()));
  require(dtype.has_value(), ErrorKind::format, "{}: torch_dtype is no dtype", shape.string());
  torch::manual_seed(0);
  const torch::NoGradGuard no_grad;
  nn::FreshWeights weights(at::TensorOptions().dtype(to_torch(*dtype)));
  const auto model = models::create_model(config, weights);
  std::vector<TensorView> views;
  for (auto& parameter : model->named_parameters()) {
    auto& tensor = parameter.value();
    tensor.dim() == 1 ? tensor.fill_(1) : tensor.normal_(0, kDeviation);
    TensorView view;
    view.name = parameter.key();
    view.dtype = *dtype;
    view.shape = tensor.sizes().vec();
    view.strides = tensor.strides().vec();
    view.storage = {static_cast<const std::byte*>(tensor.data_ptr()), tensor.nbytes()};
    views.push_back(std::move(view));
  }
  std::filesystem::create_directories(output);
  save_safetensors(output / "model.safetensors", views, {{"format", "pt"}});
  write_file(output / "config.json", text);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: random_model SHAPE.json OUTPUT_DIRECTORY\n");
    return 2;
  }
  try {
    write(argv[1], argv[2]);
  } catch (const std::exception& e) {
    fmt::print(stderr, "error: {}\n", e.what());
    return 1;
  }
  return 0;
}
