#include "models/registry.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "device/memory_account.h"
#include "models/gemma.h"
#include "models/gpt2.h"
#include "models/gpt_neox.h"
#include "models/llama.h"
#include "models/olmo2.h"
#include "models/phi3.h"

namespace dstorch::models {
namespace {

using Factory = std::shared_ptr<LanguageModel> (*)(const Json&, nn::WeightSource&, const ModelOptions&);

struct Row {
  std::string_view model_type;
  std::string_view class_name;  // in transformers
  Factory create;
};

constexpr std::array<Row, 13> kRegistry{{
    {"gemma2", "Gemma2", create_gemma},
    {"gemma3_text", "Gemma3Text", create_gemma},
    {"gpt2", "GPT2", create_gpt2},
    {"gpt_neox", "GPTNeoX", create_gpt_neox},
    {"granite", "Granite", create_llama},
    {"llama", "Llama", create_llama},
    {"ministral", "Ministral", create_llama},
    {"mistral", "Mistral", create_llama},
    {"olmo2", "Olmo2", create_olmo2},
    {"phi3", "Phi3", create_phi3},
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
