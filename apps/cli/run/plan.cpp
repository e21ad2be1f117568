#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "commands.h"
#include "load_model.h"
#include "output.h"

namespace dstorch::cli {
namespace {

void print_numbers(const MemoryPlan& plan) {
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
  print_json(json);
}

void print_row(std::string_view name, int64_t bytes, std::string_view note = {}) {
  print("{:<14}{:>12}{}{}\n", name, format_bytes(bytes), note.empty() ? "" : "  ", note);
}

void print_table(const MemoryPlan& plan, const PlanArguments& arguments) {
  const bool trains = !arguments.train.empty();
  print("{} on {}, {} of {} {}\n\n", to_string(plan.dtype), plan.device.to_string(),
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
  print("\n");
  if (plan.largest_context == 0) {
    print("no context fits\n");
  } else if (plan.largest_context == plan.model_context) {
    print("the model's whole context of {} fits\n", plan.model_context);
  } else {
    print("the largest context that fits is {} (the model's limit is {})\n", plan.largest_context, plan.model_context);
  }
}

}  // namespace

void run(const PlanArguments& arguments) {
  PlanOptions what;
  what.context = arguments.model.context;
  what.batch = arguments.batch;
  what.lora_rank = arguments.lora_rank;
  what.checkpointing = arguments.checkpointing;
  what.training = arguments.train.empty()              ? Training::none
                  : arguments.train == "full"          ? Training::full
                  : arguments.train == "full-finetune" ? Training::full_finetune
                                                       : Training::lora;
  if (arguments.bfloat16 != "auto") {
    what.bfloat16 = arguments.bfloat16 == "on";
  }
  auto config = model_config(arguments.model);
  config.max_context = 0;
  const auto plan = plan_memory(config, what);
  arguments.json ? print_numbers(plan) : print_table(plan, arguments);
}

}  // namespace dstorch::cli
