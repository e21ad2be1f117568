#include "model_options.h"

#include <fmt/core.h>

#include <charconv>
#include <cmath>

#include "dstorch/error.h"

namespace dstorch::cli {

void add_model_options(CLI::App& command, ModelOptions& options) {
  command.add_option("-m,--model", options.model,
                     "Model directory, or a .pt/.pth/.bin/.safetensors file; the bundled model when left out");
  command.add_option("--tokenizer", options.tokenizer, "Tokenizer file or directory, instead of the model's own");
  command.add_option("--device", options.device, "cpu, cuda, cuda:N, webgl, or auto, the best there is")
      ->capture_default_str();
  command.add_option("--dtype", options.dtype, "Convert the weights: float32, bfloat16, float16 or float64");
  command.add_option("--threads", options.threads, "Threads; 0 uses every core")->capture_default_str();
  command.add_option("--context", options.context, "Most positions of a sequence; 0 takes the model's limit")
      ->capture_default_str();
  add_memory_limit(command, options);
  command.add_flag("--copy-weights", options.copy_weights,
                   "Read the weights into memory instead of mapping the file, which may then change");
  command.add_flag("--allow-scripts", options.allow_scripts,
                   "Run a model that is a TorchScript archive: a program, which can read and write your files");
}

void add_memory_limit(CLI::App& command, ModelOptions& options) {
  command.add_option("--memory-limit", options.memory_limit,
                     "Most memory for tensors, as in 500M or 2G; what would pass it fails before it allocates");
}

TorchModelConfig model_config(const ModelOptions& options) {
  TorchModelConfig config;
  config.model_path = options.model.empty() ? bundled_model_path() : std::filesystem::path(options.model);
  config.device = parse_device(options.device);
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
  config.allow_scripts = options.allow_scripts;
  config.copy_weights = options.copy_weights;
  if (!options.memory_limit.empty()) {
    config.memory_limit = parse_size(options.memory_limit);
  }
  return config;
}

std::unique_ptr<TorchModel> load_model(const ModelOptions& options) {
  auto model = std::make_unique<TorchModel>(model_config(options));
  model->init();
  return model;
}

Device parse_device(const std::string& text) { return text == "auto" ? Device::best() : Device::parse(text); }

int64_t parse_size(const std::string& text) {
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  std::string unit(rest, end);
  for (const char* suffix : {"iB", "B"}) {
    if (unit.size() > 1 && unit.ends_with(suffix)) {
      unit.resize(unit.size() - std::char_traits<char>::length(suffix));
    }
  }
  constexpr std::string_view kUnits = "KMGT";
  const auto power = unit.size() == 1 ? kUnits.find(static_cast<char>(unit[0] & ~0x20)) : std::string_view::npos;
  double bytes = number;
  if (power != std::string_view::npos) {
    bytes = std::ldexp(number, 10 * (static_cast<int>(power) + 1));
  }
  const bool valid = error == std::errc() && (unit.empty() || unit == "B" || power != std::string_view::npos) &&
                     bytes >= 1 && bytes < std::ldexp(1.0, 62);
  if (!valid) {
    throw LMError(
        ErrorKind::invalid_argument,
        fmt::format("a size must be a number of bytes, or one with K, M, G or T as in 500M, got \"{}\"", text));
  }
  return static_cast<int64_t>(bytes);
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
