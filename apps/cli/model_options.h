#pragma once

#include "commands.h"

namespace dstorch::cli {

/// Adds -m/--model, --tokenizer, --adapter, --device, --dtype, --threads, --context, --memory-limit, --kv-dtype,
/// --kv-memory, --copy-weights and --allow-scripts to `command`.
void add_model_options(CLI::App& command, ModelArguments& arguments);
/// --no-prefix-cache, for commands that generate.
void add_prefix_cache(CLI::App& command, ModelArguments& arguments);
/// --draft-model, for the same.
void add_draft_model(CLI::App& command, ModelArguments& arguments);

/// The single ones, for commands that have not all of them.
void add_model(CLI::App& command, ModelArguments& arguments, const std::string& help);
void add_device(CLI::App& command, std::string& device);
void add_dtype(CLI::App& command, std::optional<DType>& dtype, const std::string& help);
void add_kv_dtype(CLI::App& command, std::optional<KvDType>& kv_dtype);
void add_threads(CLI::App& command, int& threads);
void add_memory_limit(CLI::App& command, int64_t& limit);

/// Adds PROMPT and --ids.
void add_prompt(CLI::App& command, PromptArguments& prompt, const std::string& text_help, const std::string& ids_help);

/// Adds TEXT..., and --file.
void add_text_list(CLI::App& command, TextsArguments& texts);

/// Throws CLI::RequiredError when there are none, and nobody who could be asked for some.
void check_texts(const TextsArguments& texts);

/// Throws CLI::RequiredError when there is neither, and nobody who could be asked for one.
void check_prompt(const PromptArguments& prompt);

}  // namespace dstorch::cli
