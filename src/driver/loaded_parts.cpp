#include "driver/loaded_parts.h"

#include "core/throw.h"

namespace dstorch::driver {

engine::Engine& engine_of(const LoadedModel& loaded) {
  loaded.check_files();
  auto* const engine = loaded.engine();
  require(engine != nullptr, ErrorKind::unsupported, "this needs a language model; the model loaded is {}",
          loaded.info.model_type);
  return *engine;
}

std::vector<int64_t> encode(const LoadedModel& loaded, std::string_view text) {
  const auto& tokenizer = engine_of(loaded).tokenizer();
  require(
      tokenizer != nullptr, ErrorKind::unsupported,
      "the model's directory must hold a tokenizer (tokenizer.json, tokenizer.model, or vocab.json and merges.txt); "
      "give one, or token ids instead of text");
  return tokenizer->encode(text);
}

AdapterShelf& shelf_of(const LoadedModel& loaded) {
  require(loaded.adapters != nullptr, ErrorKind::unsupported,
          "adapters need a language model from a directory with config.json; the model loaded is {}",
          loaded.info.model_type);
  return *loaded.adapters;
}

std::shared_ptr<const nn::Adapter> adapter_of(const LoadedModel& loaded, const std::string& name) {
  if (name.empty()) {
    return loaded.adapters ? loaded.adapters->find("") : nullptr;
  }
  return shelf_of(loaded).find(name);
}

}  // namespace dstorch::driver
