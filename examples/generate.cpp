// Streams a continuation from the bundled model, or from the model directory named on the command line.

#include <dstorch/dstorch.h>

#include <iostream>

int main(int argc, char** argv) {
  try {
    dstorch::TorchModelConfig config;
    config.model_path = argc > 1 ? std::filesystem::path(argv[1]) : dstorch::bundled_model_path();
    dstorch::TorchModel model(config);
    model.init();

    dstorch::GenerationOptions options;
    options.max_tokens = 48;
    options.temperature = 0;
    const auto print = [](std::string_view piece) {
      std::cout << piece << std::flush;
      return true;
    };
    const auto result = model.stream("python3-yaml\t", print, options);
    std::cout << "\n" << result.usage.completion_tokens << " tokens, " << to_string(result.finish_reason) << "\n";
    return result.usage.completion_tokens > 0 ? 0 : 1;
  } catch (const dstorch::LMError& e) {
    std::cerr << "error: " << e.what() << "\n";
    return 1;
  }
}
