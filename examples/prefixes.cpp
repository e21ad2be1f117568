// What calls have in common is computed once: a preamble before every question, a conversation that grows.

#include <dstorch/dstorch.h>

#include <iomanip>
#include <iostream>

namespace {

void show(const char* what, const dstorch::GenerationResult& result) {
  std::cout << std::left << std::setw(24) << what << std::right << std::setw(5) << result.usage.prompt_tokens
            << " tokens, of which " << std::setw(4) << result.usage.cached_tokens
            << " were there; the first token after " << std::fixed << std::setprecision(1)
            << 1000 * result.timings.prompt_seconds << " ms\n";
}

}  // namespace

int main(int argc, char** argv) {
  try {
    dstorch::TorchModelConfig config;
    config.model_path = argc > 1 ? std::filesystem::path(argv[1]) : dstorch::bundled_model_path();
    dstorch::TorchModel model(config);
    model.init();
    const dstorch::GenerationOptions options{.max_tokens = 16, .temperature = 0};

    // Examples that stand before every question.
    std::string preamble;
    for (int i = 0; i < 40; ++i) {
      preamble +=
          "libexample" + std::to_string(i) + "-dev\tlibdevel\tdevelopment files of example " + std::to_string(i) + "\n";
    }
    show("a preamble, a question", model.complete(preamble + "python3-yaml\t", options));
    show("another question", model.complete(preamble + "fonts-dejavu\t", options));

    // What was answered comes back as a part of the next prompt.
    std::string conversation = preamble;
    for (const char* name : {"vim\t", "gcc-12\t", "libpng-dev\t"}) {
      const auto result = model.complete(conversation + name, options);
      show("a conversation goes on", result);
      conversation += name + result.text + "\n";
    }

    const auto kept = model.memory().prefixes;
    std::cout << "found " << kept.tokens_found << " of " << kept.tokens_asked << " tokens; kept "
              << dstorch::format_bytes(kept.bytes) << "\n";
    return 0;
  } catch (const dstorch::LMError& e) {
    std::cerr << "error: " << e.what() << "\n";
    return 1;
  }
}
