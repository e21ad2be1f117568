#include "models/registry.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "device/memory_account.h"
#include "models/gpt2.h"
#include "models/llama.h"

namespace dstorch::models {
namespace {

using Factory = std::shared_ptr<LanguageModel> (*)(const Json&, nn::WeightSource&, const ModelOptions&);

struct Row {
  std::string_view model_type;
  std::string_view class_name;  // in transformers
  Factory create;
};

constexpr std::array<Row, 7> kRegistry{{
    {"gpt2", "GPT2", create_gpt2},
    {"llama", "Llama", create_llama},
    {"ministral", "Ministral", create_llama},
    {"mistral", "Mistral", create_llama},
    {"qwen2", "Qwen2", create_llama},
    {"qwen3", "Qwen3", create_llama},
    {"smollm3", "SmolLM3", create_llama},
}};

const Row& row_of(std::string_view model_type) {
  const auto* row =
      std::find_if(kRegistry.begin(), kRegistry.end(), [&](const Row& each) { return each.model_type == model_type; });
  require(row != kRegistry.end(), ErrorKind::unsupported, "config.json: model_type must be one of {}, got \"{}\"",
          fmt::join(known_model_types(), ", "), model_type);
  return *row;
}

}  // namespace

std::shared_ptr<LanguageModel> create_model(const Json& config, nn::WeightSource& weights,
                                            const ModelOptions& options) {
  const auto& row = row_of(json_get<std::string>(config, "model_type", "config.json"));
  const MemoryScope scope(MemoryKind::weights);
  return row.create(config, weights, options);
}

std::string_view class_name(std::string_view model_type) { return row_of(model_type).class_name; }

std::vector<std::string> known_model_types() {
  std::vector<std::string> types;
  for (const auto& row : kRegistry) {
    types.emplace_back(row.model_type);
  }
  std::sort(types.begin(), types.end());
  return types;
}

}  // namespace dstorch::models
