// A program asks whichever driver is configured: canned answers in its tests, a model in production.

#include <dstorch/dstorch.h>

#include <iostream>
#include <memory>

namespace {

std::string section_of(const std::string& package) {
  const auto answer = dstorch::get_lm()->generate(package + "\t", {.max_tokens = 16, .temperature = 0});
  return answer.substr(0, answer.find('\t'));
}

}  // namespace

int main() {
  try {
    dstorch::configure_lm(std::make_shared<dstorch::DummyLM>(std::vector<std::string>{"python\tYAML for Python"}));
    const bool tested = section_of("python3-yaml") == "python";

    auto model =
        std::make_shared<dstorch::TorchModel>(dstorch::TorchModelConfig{.model_path = dstorch::bundled_model_path()});
    model->init();
    dstorch::configure_lm(model);
    std::cout << "libfoo-dev belongs to " << section_of("libfoo-dev") << "\n";
    dstorch::configure_lm(nullptr);
    return tested ? 0 : 1;
  } catch (const dstorch::LMError& e) {
    std::cerr << "error: " << e.what() << "\n";
    return 1;
  }
}
