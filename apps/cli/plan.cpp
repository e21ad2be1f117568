#include <fmt/core.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "dstorch/error.h"
#include "model_options.h"

namespace dstorch::cli {
namespace {

struct Options {
  ModelOptions model;
  int64_t batch = 0;
  std::string train;
  std::string bfloat16 = "auto";
  int64_t lora_rank = 8;
  bool json = false;
};

void print_json(const MemoryPlan& plan) {
  nlohmann::ordered_json json{{"device", plan.device.to_string()},
                              {"dtype", to_string(plan.dtype)},
                              {"context", plan.context},
                              {"batch", plan.batch}};
  for (std::size_t kind = 0; kind < kMemoryKinds; ++kind) {
    json[std::string(to_string(static_cast<MemoryKind>(kind)))] = plan.kinds[kind];
  }
  json["total"] = plan.total;
  json["available"] = plan.available;
  json["fits"] = plan.fits();
  json["largest_context"] = plan.largest_context;
  json["model_context"] = plan.model_context;
  fmt::print("{}\n", json.dump());
}

void print_row(std::string_view name, int64_t bytes, std::string_view note = {}) {
  fmt::print("{:<14}{:>12}{}{}\n", name, format_bytes(bytes), note.empty() ? "" : "  ", note);
}

void print_table(const MemoryPlan& plan, const Options& options) {
  const bool trains = !options.train.empty();
  fmt::print("{} on {}, {} of {} {}\n\n", to_string(plan.dtype), plan.device.to_string(),
             plan.batch == 1 ? std::string("one sequence") : fmt::format("{} sequences", plan.batch), plan.context,
             plan.context == 1 ? "position" : "positions");
  print_row("weights", plan[MemoryKind::weights]);
  if (!trains) {
    print_row("KV cache", plan[MemoryKind::kv_cache]);
  }
  print_row("activations", plan[MemoryKind::activations]);
  if (trains) {
    print_row("gradients", plan[MemoryKind::gradients]);
    print_row("optimizer", plan[MemoryKind::optimizer]);
  }
  print_row("other", plan[MemoryKind::other]);
  print_row("total", plan.total, "at most at once");
  print_row("available", plan.available, plan.fits() ? "fits" : "does not fit");
  fmt::print("\n");
  if (plan.largest_context == 0) {
    fmt::print("no context fits\n");
  } else if (plan.largest_context == plan.model_context) {
    fmt::print("the model's whole context of {} fits\n", plan.model_context);
  } else {
    fmt::print("the largest context that fits is {} (the model's limit is {})\n", plan.largest_context,
               plan.model_context);
  }
}

void run(const Options& options) {
  PlanOptions what;
  what.context = options.model.context;
  what.batch = options.batch;
  what.lora_rank = options.lora_rank;
  what.training = options.train.empty() ? Training::none : options.train == "full" ? Training::full : Training::lora;
  if (options.bfloat16 != "auto") {
    what.bfloat16 = options.bfloat16 == "on";
  }
  auto config = model_config(options.model);
  config.max_context = 0;
  const auto plan = plan_memory(config, what);
  options.json ? print_json(plan) : print_table(plan, options);
}

}  // namespace

void add_plan(CLI::App& app) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("plan", "What memory a model will need, from the headers of its files alone");
  command->add_option(
      "model", options->model.model,
      "Model directory, a config.json, or a .pt/.pth/.bin/.safetensors file; the bundled model when left "
      "out");
  command
      ->add_option("--context", options->model.context,
                   "Positions of a sequence; 0 is the model's limit, in training 256")
      ->capture_default_str();
  command->add_option("--batch", options->batch, "Sequences at once; 0 is 1, in training 8")->capture_default_str();
  command->add_option("--dtype", options->model.dtype, "As if converted to float32, bfloat16, float16 or float64");
  command
      ->add_option(
          "--train", options->train,
          "Plan for training: full (AdamW on all weights), or lora (on adapters alone; the weights stay as they are)")
      ->check(CLI::IsMember({"full", "lora"}));
  command->add_option("--bf16", options->bfloat16, "With --train full, as dstorch train has it: auto, on, off")
      ->check(CLI::IsMember({"auto", "on", "off"}))
      ->capture_default_str();
  command->add_option("--lora-rank", options->lora_rank, "Of the adapters")->capture_default_str();
  command->add_option("--device", options->model.device, "cpu, cuda, cuda:N, webgl or auto")->capture_default_str();
  add_memory_limit(*command, options->model);
  command->add_flag("--json", options->json, "Print one JSON object, in bytes");
  command->footer(example("dstorch plan models/default --context 1024 --batch 2"));
  command->callback([options] { run(*options); });
}

}  // namespace dstorch::cli
