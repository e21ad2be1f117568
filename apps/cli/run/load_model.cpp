#include "load_model.h"

#include <fmt/core.h>

#include "commands.h"
#include "dstorch/error.h"
#include "terminal.h"

namespace dstorch::cli {

TorchModelConfig model_config(const ModelArguments& arguments) {
  TorchModelConfig config;
  config.model_path = arguments.model.empty() ? bundled_model_path() : std::filesystem::path(arguments.model);
  config.device = parse_device(arguments.device);
  if (!arguments.tokenizer.empty()) {
    config.tokenizer_path = arguments.tokenizer;
  }
  config.dtype = arguments.dtype;
  config.threads = arguments.threads;
  config.max_context = arguments.context;
  config.memory_limit = arguments.memory_limit;
  config.kv_dtype = arguments.kv_dtype;
  config.kv_memory = arguments.kv_memory;
  config.prefix_cache = !arguments.no_prefix_cache;
  if (!arguments.draft_model.empty()) {
    config.draft_model_path = arguments.draft_model;
  }
  config.allow_scripts = arguments.allow_scripts;
  config.copy_weights = arguments.copy_weights;
  if (!arguments.adapter.empty()) {
    config.adapter = arguments.adapter;
  }
  return config;
}

std::unique_ptr<TorchModel> load_model(const ModelArguments& arguments) {
  auto config = model_config(arguments);
  const auto what = fmt::format("loading {}", config.model_path->string());
  StatusLine line(what);
  const auto cancel = interrupt_token();
  config.on_progress = [&](const Progress& progress) {
    if (progress.total > 0) {
      line.update(fmt::format("{}: {} of {} {}", what, progress.done, progress.total, progress.what));
    }
    return !cancel.cancelled();
  };
  auto model = std::make_unique<TorchModel>(config);
  model->init();
  return model;
}

Device parse_device(const std::string& text) { return text == "auto" ? Device::best() : Device::parse(text); }

std::string prompt_text(const PromptArguments& prompt) {
  return !prompt.text || *prompt.text == "-" ? read_stdin() : *prompt.text;
}

}  // namespace dstorch::cli
