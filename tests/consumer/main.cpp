#include <dstorch/dstorch.h>
#include <dstorch/torch_utils.h>

#include <iostream>
#include <memory>

// Uses what links the driver, LibTorch and the C++ headers together, and fails when one of them is another's.
int main() {
  dstorch::configure_lm(std::make_shared<dstorch::DummyLM>(std::vector<std::string>{"a canned answer"}));
  std::cout << dstorch::get_lm()->generate("a prompt") << '\n';

  dstorch::TorchModelConfig config;
  config.architecture = dstorch::Architecture{.input_size = 1, .hidden_size = 4, .output_size = 2, .num_layers = 1};
  dstorch::TorchModel model(config);
  model.init();
  std::cout << model.generate("a prompt") << '\n';
  return 0;
}
