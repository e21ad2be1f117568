#include "commands.h"
#include "help.h"
#include "model_options.h"
#include "values.h"

namespace dstorch::cli {

void add_plan(CLI::App& app) {
  auto arguments = std::make_shared<PlanArguments>();
  auto& command = *app.add_subcommand("plan", "What memory a model will need, from the headers of its files alone")
                       ->group(kLookGroup);
  add_text(command, "MODEL", arguments->model.model, "",
           "Model directory, a config.json, or a .pt/.pth/.bin/.safetensors file; the bundled model when left out");
  add_number(command, "--context", arguments->model.context,
             "Positions of a sequence; 0 is the model's limit, in training 256");
  add_number(command, "--batch", arguments->batch, "Sequences at once; 0 is 1, in training 8");
  add_choice(
      command, "--train", arguments->train, {"full", "full-finetune", "lora"},
      "Plan for training: full (dstorch train), full-finetune (dstorch finetune --full), or lora (dstorch finetune)");
  add_choice(command, "--bf16", arguments->bfloat16, {"auto", "on", "off"},
             "With --train, as dstorch train and finetune have it");
  add_number(command, "--lora-rank", arguments->lora_rank, "Of the adapters");
  command.add_flag("--checkpointing", arguments->checkpointing, "As dstorch finetune has it");
  command.add_flag("--json", arguments->json, "Print one JSON object, in bytes");
  add_dtype(command, arguments->model.dtype, "As if converted to float32, bfloat16, float16 or float64");
  add_kv_dtype(command, arguments->model.kv_dtype);
  add_device(command, arguments->model.device);
  add_memory_limit(command, arguments->model.memory_limit);
  command.footer(example("dstorch plan models/default --context 1024 --batch 2"));
  command.callback([arguments] { run(*arguments); });
}

}  // namespace dstorch::cli
