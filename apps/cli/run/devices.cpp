#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "commands.h"
#include "dstorch/device.h"
#include "load_model.h"
#include "output.h"

namespace dstorch::cli {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr int64_t kTokens = 4;

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
    print_json({{"devices", rows}});
    return;
  }
  for (const auto& info : devices) {
    print("{:<8}{}{}\n", info.device.to_string(), info.usable ? info.name : "not usable",
          info.device == best ? " (the best here)" : "");
    if (!info.usable) {
      print("        {}\n", info.reason);
    } else if (info.memory > 0) {
      print("        {} of memory, {} available\n", format_bytes(info.memory), format_bytes(info.memory_available));
    }
  }
}

/// What a few tokens of a model ran on the CPU although they were asked of webgl.
void list_fallbacks(const DevicesArguments& arguments) {
  auto on_webgl = arguments.model;
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
  if (arguments.json) {
    print_json({{"model_type", model->info().model_type}, {"tokens", kTokens}, {"fallbacks", calls}});
    return;
  }
  print("{} tokens of a {} model on webgl ran {} on the CPU{}\n", kTokens, model->info().model_type,
        calls.empty() ? "nothing" : "these ops", calls.empty() ? "" : ":");
  for (const auto& [name, count] : calls) {
    print("{:>8}  {}\n", count, name);
  }
}

}  // namespace

void run(const DevicesArguments& arguments) { arguments.fallbacks ? list_fallbacks(arguments) : list(arguments.json); }

}  // namespace dstorch::cli
