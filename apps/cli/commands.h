#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "dstorch/generation.h"

namespace dstorch::cli {

/// Each adds one subcommand to `app`; its callback does the work and throws LMError when it fails.
void add_bench(CLI::App& app);
void add_devices(CLI::App& app);
void add_generate(CLI::App& app);
void add_inspect(CLI::App& app);
void add_logits(CLI::App& app);
void add_perplexity(CLI::App& app);
void add_plan(CLI::App& app);
void add_tokenize(CLI::App& app);
void add_train(CLI::App& app);
void add_train_tokenizer(CLI::App& app);

/// The work ended because of Ctrl-C; the process exits with 130.
struct Interrupted {};

/// Cancelled by the first Ctrl-C; a second one ends the process at once.
CancelToken interrupt_token();

/// An `Example:` footer for --help.
std::string example(const std::string& command);

/// Everything on standard input.
std::string read_stdin();

}  // namespace dstorch::cli
