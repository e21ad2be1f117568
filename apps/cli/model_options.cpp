#include "model_options.h"

#include <fmt/core.h>

#include <charconv>

#include "dstorch/error.h"

namespace dstorch::cli {

void add_model_options(CLI::App& command, ModelOptions& options) {
  command.add_option("-m,--model", options.model,
                     "Model directory, or a .pt/.pth/.bin/.safetensors file; the bundled model when left out");
  command.add_option("--tokenizer", options.tokenizer, "Tokenizer file or directory, instead of the model's own");
  command.add_option("--device", options.device, "cpu, cuda, cuda:N or webgl")->capture_default_str();
  command.add_option("--dtype", options.dtype, "Convert the weights: float32, bfloat16, float16 or float64");
  command.add_option("--threads", options.threads, "Threads; 0 uses every core")->capture_default_str();
  command.add_option("--context", options.context, "Most positions of a sequence; 0 takes the model's limit")
      ->capture_default_str();
}

std::unique_ptr<TorchModel> load_model(const ModelOptions& options) {
  TorchModelConfig config;
  config.model_path = options.model.empty() ? bundled_model_path() : std::filesystem::path(options.model);
  config.device = Device::parse(options.device);
  if (!options.tokenizer.empty()) {
    config.tokenizer_path = options.tokenizer;
  }
  if (!options.dtype.empty()) {
    config.dtype = parse_dtype(options.dtype);
    if (!config.dtype) {
      throw LMError(ErrorKind::invalid_argument,
                    fmt::format("--dtype must be float32, bfloat16, float16 or float64, got \"{}\"", options.dtype));
    }
  }
  config.threads = options.threads;
  config.max_context = options.context;
  auto model = std::make_unique<TorchModel>(std::move(config));
  model->init();
  return model;
}

std::vector<int64_t> parse_ids(const std::string& text) {
  std::vector<int64_t> ids;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    int64_t id = 0;
    const auto [next, error] = std::from_chars(at, end, id);
    if (error != std::errc() || (next != end && (*next != ',' || next + 1 == end))) {
      throw LMError(ErrorKind::invalid_argument,
                    fmt::format("ids must be whole numbers with commas between them, as in 1,2,3; got \"{}\"", text));
    }
    ids.push_back(id);
    at = next == end ? end : next + 1;
  }
  return ids;
}

}  // namespace dstorch::cli
