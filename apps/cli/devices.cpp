#include <fmt/core.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "dstorch/device.h"
#include "dstorch/error.h"
#include "model_options.h"

namespace dstorch::cli {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr int64_t kTokens = 4;

struct Options {
  ModelOptions model;
  bool fallbacks = false;
  bool json = false;
};

void list(bool json) {
  const auto devices = list_devices();
  const auto best = Device::best();
  if (json) {
    OrderedJson rows = OrderedJson::array();
    for (const auto& info : devices) {
      rows.push_back({{"device", info.device.to_string()},
                      {"usable", info.usable},
                      {"best", info.device == best},
                      {"name", info.name},
                      {"memory", info.memory},
                      {"memory_available", info.memory_available},
                      {"reason", info.reason}});
    }
    fmt::print("{}\n", OrderedJson{{"devices", rows}}.dump(-1, ' ', false, OrderedJson::error_handler_t::replace));
    return;
  }
  for (const auto& info : devices) {
    fmt::print("{:<8}{}{}\n", info.device.to_string(), info.usable ? info.name : "not usable",
               info.device == best ? " (the best here)" : "");
    if (!info.usable) {
      fmt::print("        {}\n", info.reason);
    } else if (info.memory > 0) {
      fmt::print("        {} of memory, {} available\n", format_bytes(info.memory),
                 format_bytes(info.memory_available));
    }
  }
}

/// What a few tokens of a model ran on the CPU although they were asked of webgl.
void list_fallbacks(const Options& options) {
  auto on_webgl = options.model;
  on_webgl.device = "webgl";
  const auto model = load_model(on_webgl);
  reset_device_fallbacks();
  GenerationOptions generation;
  generation.temperature = 0;
  generation.max_tokens = kTokens;
  generation.ignore_eos = true;
  const std::vector<int64_t> prompt(8, 1);
  model->complete(prompt, generation);
  const auto calls = device_fallbacks();
  if (options.json) {
    fmt::print("{}\n",
               OrderedJson{{"model_type", model->info().model_type}, {"tokens", kTokens}, {"fallbacks", calls}}.dump());
    return;
  }
  fmt::print("{} tokens of a {} model on webgl ran {} on the CPU{}\n", kTokens, model->info().model_type,
             calls.empty() ? "nothing" : "these ops", calls.empty() ? "" : ":");
  for (const auto& [name, count] : calls) {
    fmt::print("{:>8}  {}\n", count, name);
  }
}

void run(const Options& options) { options.fallbacks ? list_fallbacks(options) : list(options.json); }

}  // namespace

void add_devices(CLI::App& app) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("devices", "What there is to compute on, and why not");
  command->add_flag("--fallbacks", options->fallbacks,
                    "Generate a few tokens on webgl and list the ops that ran on the CPU for want of a shader");
  command->add_option("-m,--model", options->model.model, "For --fallbacks; the bundled model when left out");
  command->add_flag("--json", options->json, "Print one JSON object");
  command->footer(example("dstorch devices --json"));
  command->callback([options] { run(*options); });
}

}  // namespace dstorch::cli
