#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "arguments.h"
#include "dstorch/generation.h"

namespace dstorch::cli {

/// Each adds one subcommand to `app`: its options, and what is done with them once they are known to be right.
void add_bench(CLI::App& app);
void add_chat(CLI::App& app);
void add_classify(CLI::App& app);
void add_devices(CLI::App& app);
void add_embed(CLI::App& app);
void add_finetune(CLI::App& app);
void add_generate(CLI::App& app);
void add_inspect(CLI::App& app);
void add_logits(CLI::App& app);
void add_merge(CLI::App& app);
void add_perplexity(CLI::App& app);
void add_plan(CLI::App& app);
void add_template(CLI::App& app);
void add_tokenize(CLI::App& app);
void add_train(CLI::App& app);
void add_train_tokenizer(CLI::App& app);

/// What needs LibTorch. The program that people start has none, and hands these to one that has (front/hand_over.cpp);
/// there they are what run/ says. They throw LMError when they fail, Interrupted when Ctrl-C ended them.
void run(const BenchArguments& arguments);
void run(const ChatArguments& arguments);
void run(const ClassifyArguments& arguments);
void run(const DevicesArguments& arguments);
void run(const EmbedArguments& arguments);
void run(const FinetuneArguments& arguments);
void run(const GenerateArguments& arguments);
void run(const LogitsArguments& arguments);
void run(const MergeArguments& arguments);
void run(const PerplexityArguments& arguments);
void run(const PlanArguments& arguments);
void run(const TrainArguments& arguments);

/// The words that this program was started with, as main() got them.
char** command_line();

/// The work ended because of Ctrl-C; the process exits with 130.
struct Interrupted {};

/// Cancelled by the first Ctrl-C or SIGTERM; a second one ends the process at once.
CancelToken interrupt_token();

/// Everything on standard input. Throws LMError{io}.
std::string read_stdin();

/// Whether somebody sits at standard input; else text comes from it.
bool stdin_is_terminal();

}  // namespace dstorch::cli
