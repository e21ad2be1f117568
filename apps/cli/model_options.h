#pragma once

#include <memory>
#include <string>

#include "commands.h"
#include "dstorch/torch_model.h"

namespace dstorch::cli {

/// The options that every command which runs a model has.
struct ModelOptions {
  std::string model;
  std::string tokenizer;
  std::string device = "cpu";
  std::string dtype;
  int threads = 0;
  int64_t context = 0;
  std::string memory_limit;
  bool allow_scripts = false;
  bool copy_weights = false;
};

/// Adds -m/--model, --tokenizer, --device, --dtype, --threads, --context, --memory-limit, --allow-scripts and
/// --copy-weights to `command`.
void add_model_options(CLI::App& command, ModelOptions& options);
void add_memory_limit(CLI::App& command, ModelOptions& options);

/// What the options say. Throws LMError{invalid_argument}.
TorchModelConfig model_config(const ModelOptions& options);

/// The model, loaded; the bundled one when none is named. Loading shows its progress on a terminal.
std::unique_ptr<TorchModel> load_model(const ModelOptions& options);

/// What --device says; "auto" is the best there is.
Device parse_device(const std::string& text);

/// "500M", "2G", "1.5GiB", "123456": bytes, the letters counting in powers of 1024. Throws LMError{invalid_argument}.
int64_t parse_size(const std::string& text);

/// The ids after --ids: "1,2,3". Throws LMError{invalid_argument}.
std::vector<int64_t> parse_ids(const std::string& text);

}  // namespace dstorch::cli
