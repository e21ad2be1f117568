#pragma once

#include <memory>
#include <string>

#include "arguments.h"
#include "dstorch/torch_model.h"

namespace dstorch::cli {

/// What the options say. Throws LMError{invalid_argument}.
TorchModelConfig model_config(const ModelArguments& arguments);

/// The model, loaded; the bundled one when none is named. Loading shows its progress on a terminal; Ctrl-C ends it with
/// Interrupted.
std::unique_ptr<TorchModel> load_model(const ModelArguments& arguments);

/// What --device says; "auto" is the best there is.
Device parse_device(const std::string& text);

/// The prompt's text, from standard input if it is there.
std::string prompt_text(const PromptArguments& prompt);

}  // namespace dstorch::cli
