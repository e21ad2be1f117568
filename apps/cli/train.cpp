#include "commands.h"
#include "help.h"
#include "model_options.h"
#include "training_options.h"
#include "values.h"

namespace dstorch::cli {
namespace {

constexpr const char* kFiles = "Files";

void add_path(CLI::App& command, const char* name, std::filesystem::path& path, const char* type, const char* help) {
  add_value(command, name, type, help, [&path](const std::string&, const std::string& text) { path = text; })
      ->required()
      ->group(kFiles);
}

void add_files(CLI::App& command, TrainArguments& arguments) {
  auto& options = arguments.options;
  add_value(command, "--data", "FILE ...", "Text files; a line <|endoftext|> ends a document",
            [&options](const std::string&, const std::string& text) { options.data.emplace_back(text); })
      ->required()
      ->take_all()
      ->expected(CLI::detail::expected_max_vector_size)
      ->group(kFiles);
  add_path(command, "--tokenizer", options.tokenizer, "PATH", "tokenizer.json, or a directory with one");
  add_path(command, "--config", options.config, "FILE", "Hugging Face config.json");
  add_path(command, "-o,--output", options.output, "DIR", "Model directory to write; also holds the training state");
  add_number(command, "--held-out-fraction", options.held_out_fraction,
             "Share of the data's end that is only evaluated on")
      ->group(kFiles);
  add_text(command, "--held-out", arguments.held_out, "FILE", "A text file to evaluate on instead")->group(kFiles);
  add_choice(command, "--save-dtype", arguments.save_dtype, {"float32", "bfloat16", "float16"},
             "Of the weights written")
      ->group(kFiles);
  command.add_flag("--no-resume", arguments.fresh, "Fail when the output directory holds a state already")
      ->group(kFiles);
  command
      .add_flag("--overwrite", options.overwrite, "Replace a model in the output directory that this run did not write")
      ->group(kFiles);
}

void add_schedule(CLI::App& command, TrainOptions& options) {
  constexpr const char* kGroup = "Learning";
  const auto number = [&](const char* name, auto& value, const char* help) {
    add_number(command, name, value, help)->group(kGroup);
  };
  number("--steps", options.steps, "Optimizer steps in all");
  number("--batch-size", options.batch_size, "Sequences per step");
  number("--sequence-length", options.sequence_length, "Tokens per sequence");
  number("--lr", options.learning_rate, "Largest learning rate");
  number("--min-lr", options.min_learning_rate, "Learning rate of the last step");
  number("--warmup", options.warmup_steps, "Steps until the largest learning rate");
  add_optimizer(command, options, kGroup);
  number("--seed", options.seed, "Of the weights and the order of the data");
}

}  // namespace

void add_train(CLI::App& app) {
  auto arguments = std::make_shared<TrainArguments>();
  auto& command =
      *app.add_subcommand("train", "Train a model from nothing on text; Ctrl-C saves, the same command goes on")
           ->group(kTrainGroup);
  add_files(command, *arguments);
  add_schedule(command, arguments->options);
  add_rhythm(command, *arguments, "Evaluate every so many steps; 0 is at the end only");
  add_device(command, arguments->device);
  add_threads(command, arguments->options.threads);
  add_memory_limit(command, arguments->options.memory_limit);
  add_choice(command, "--bf16", arguments->bfloat16, {"auto", "on", "off"}, "Forward pass in bfloat16, on the CPU")
      ->group("Model");
  command.footer(
      example("dstorch train --data text.txt --tokenizer tokenizer.json --config config.json -o my-model "
              "--steps 2000 --batch-size 16"));
  command.callback([arguments] { run(*arguments); });
}

}  // namespace dstorch::cli
