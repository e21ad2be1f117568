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
};

/// Adds -m/--model, --tokenizer, --device, --dtype, --threads and --context to `command`.
void add_model_options(CLI::App& command, ModelOptions& options);

/// The model, loaded; the bundled one when none is named. Loading shows its progress on a terminal.
std::unique_ptr<TorchModel> load_model(const ModelOptions& options);

/// The ids after --ids: "1,2,3". Throws LMError{invalid_argument}.
std::vector<int64_t> parse_ids(const std::string& text);

}  // namespace dstorch::cli
