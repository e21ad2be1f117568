// Writes a plain network's weights as a PyTorch file, loads them back, and gets the same answer.

#include <dstorch/dstorch.h>
#include <dstorch/simple_transformer.h>

#include <filesystem>
#include <iostream>

namespace {

std::vector<dstorch::TensorView> views_of(const dstorch::SimpleTransformer& network) {
  std::vector<dstorch::TensorView> views;
  for (const auto& parameter : network.named_parameters()) {
    dstorch::TensorView view;
    view.name = parameter.key();
    view.shape = parameter.value().sizes().vec();
    view.strides = parameter.value().strides().vec();
    view.storage = {static_cast<const std::byte*>(parameter.value().data_ptr()), parameter.value().nbytes()};
    views.push_back(view);
  }
  return views;
}

}  // namespace

int main() {
  const auto path = std::filesystem::temp_directory_path() / "dstorch_plain_network.pt";
  try {
    const dstorch::Architecture architecture{.input_size = 16, .hidden_size = 32, .output_size = 4, .num_layers = 2};
    const dstorch::SimpleTransformer network(architecture, /*seed=*/1);
    dstorch::save_pytorch(path, views_of(network));

    dstorch::TorchModel made({.architecture = architecture, .seed = 1});
    dstorch::TorchModel loaded({.model_path = path});
    made.init();
    loaded.init();
    const auto answer = loaded.generate("hello");
    std::cout << answer << "\n";
    std::filesystem::remove(path);
    return answer == made.generate("hello") ? 0 : 1;
  } catch (const dstorch::LMError& e) {
    std::filesystem::remove(path);
    std::cerr << "error: " << e.what() << "\n";
    return 1;
  }
}
