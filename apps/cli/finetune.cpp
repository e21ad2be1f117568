#include "commands.h"
#include "help.h"
#include "model_options.h"
#include "training_options.h"
#include "values.h"

namespace dstorch::cli {
namespace {

void add_files(CLI::App& command, FinetuneArguments& arguments) {
  constexpr const char* kGroup = "Files";
  auto& options = arguments.options;
  add_text(command, "-m,--model", arguments.model, "MODEL",
           "Model directory, or the weights of a plain network; the bundled model when left out")
      ->group(kGroup);
  add_text(
      command, "--data", arguments.data, "FILE",
      "JSON lines: {\"prompt\", \"completion\"}, {\"messages\"}, {\"text\"} or {\"text\", \"label\"}; or plain text")
      ->required()
      ->group(kGroup);
  add_text(command, "-o,--output", arguments.output, "DIR", "Where the adapter, or the model, is written")
      ->required()
      ->group(kGroup);
  add_number(command, "--held-out-fraction", options.held_out_fraction, "Share of the examples only evaluated on")
      ->group(kGroup);
  add_text(command, "--held-out", arguments.held_out, "FILE", "A file of examples to evaluate on instead")
      ->group(kGroup);
  add_choice(command, "--save-dtype", arguments.save_dtype, {"float32", "bfloat16", "float16"},
             "Of the weights written with --full; left out, the model's")
      ->group(kGroup);
  command.add_flag("--no-resume", arguments.fresh, "Fail when the output directory holds a state already")
      ->group(kGroup);
  command.add_flag("--overwrite", options.overwrite, "Replace what is in the output directory")->group(kGroup);
}

void add_what(CLI::App& command, FinetuneArguments& arguments) {
  constexpr const char* kGroup = "What is trained";
  auto& options = arguments.options;
  auto* full = command.add_flag("--full", options.full, "All weights, instead of an adapter")->group(kGroup);
  add_number(command, "--lora-rank", options.lora_rank, "Rank of the adapter's matrices")
      ->excludes(full)
      ->group(kGroup);
  add_number(command, "--lora-alpha", options.lora_alpha, "Its change is multiplied by alpha / rank")
      ->excludes(full)
      ->group(kGroup);
  add_number(command, "--lora-dropout", options.lora_dropout, "Share of its inputs left out in each pass")
      ->excludes(full)
      ->group(kGroup);
  add_value(command, "--lora-targets", "NAME ...",
            "Layers: what their names end with, regular expressions for whole names, or all-linear (the default)",
            [&arguments](const std::string&, const std::string& text) { arguments.targets.push_back(text); })
      ->take_all()
      ->expected(CLI::detail::expected_max_vector_size)
      ->excludes(full)
      ->group(kGroup);
  command.add_flag("--rslora", options.rslora, "Multiply by alpha / sqrt(rank)")->excludes(full)->group(kGroup);
}

void add_learning(CLI::App& command, FinetuneArguments& arguments) {
  constexpr const char* kGroup = "Learning";
  auto& options = arguments.options;
  const auto number = [&](const char* name, auto& value, const char* help) {
    return add_number(command, name, value, help)->group(kGroup);
  };
  auto* epochs = number("--epochs", options.epochs, "Times each example is learned from");
  number("--steps", options.steps, "Optimizer steps, instead of epochs")->excludes(epochs);
  number("--batch-size", options.batch_size, "Examples that go through the model together");
  number("--accumulate", options.accumulate, "Batches of a step");
  number("--sequence-length", options.sequence_length,
         "Most tokens of an example; 0 is the model's limit, at most 512");
  command.add_flag("--packing", options.packing, "Fill a batch with as many examples as have room")->group(kGroup);
  number("--lr", options.learning_rate,
         "Largest learning rate; left out 2e-4, with --full 2e-5, for plain networks 1e-3");
  number("--min-lr", options.min_learning_rate, "Learning rate of the last step");
  add_choice(command, "--schedule", arguments.schedule, {"linear", "cosine", "constant"}, "After the warm-up")
      ->group(kGroup);
  number("--warmup", options.warmup_steps, "Steps until the largest learning rate; left out, a tenth of all");
  add_optimizer(command, options, kGroup);
  number("--patience", options.patience,
         "End after so many evaluations without a lower held-out loss, with the best weights; 0 is off");
  number("--seed", options.seed, "Of the adapter, the order of the data and what is held out");
}

}  // namespace

void add_finetune(CLI::App& app) {
  auto arguments = std::make_shared<FinetuneArguments>();
  auto& command =
      *app.add_subcommand("finetune", "Teach a model examples, with LoRA or in full; the same command goes on")
           ->group(kTrainGroup);
  add_files(command, *arguments);
  add_what(command, *arguments);
  add_learning(command, *arguments);
  add_rhythm(command, *arguments, "Evaluate every so many steps; 0 is before the first and after the last only");
  add_threads(command, arguments->options.threads);
  add_memory_limit(command, arguments->options.memory_limit);
  add_choice(command, "--bf16", arguments->bfloat16, {"auto", "on", "off"}, "Passes in bfloat16")->group("Model");
  command
      .add_flag("--checkpointing", arguments->options.checkpointing,
                "Compute each block again for its gradients: less memory, more time")
      ->group("Model");
  command.footer(example("dstorch finetune --data examples.jsonl -o my-adapter --epochs 3"));
  command.callback([arguments] { run(*arguments); });
}

}  // namespace dstorch::cli
