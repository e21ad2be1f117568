// Asks one model several things at once; they go through it together.

#include <dstorch/dstorch.h>

#include <iostream>

int main(int argc, char** argv) {
  try {
    dstorch::TorchModelConfig config;
    config.model_path = argc > 1 ? std::filesystem::path(argv[1]) : dstorch::bundled_model_path();
    dstorch::TorchModel model(config);
    model.init();

    const dstorch::GenerationOptions options{.max_tokens = 32, .temperature = 0};
    auto first = model.submit("python3-yaml\t", options);
    auto second = model.submit("libpng-dev\t", options);  // both go through the model together
    std::cout << first.wait().text << "\n" << second.wait().text << "\n";

    const std::vector<std::string> prompts{"gcc-12\t", "fonts-dejavu\t", "vim\t"};
    for (const auto& answer : model.complete_all(prompts, options)) {
      std::cout << answer.text << "\n";
    }
    return 0;
  } catch (const dstorch::LMError& e) {
    std::cerr << "error: " << e.what() << "\n";
    return 1;
  }
}
