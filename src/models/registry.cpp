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
  Factory create;
};

constexpr std::array<Row, 7> kRegistry{{
    {"gpt2", create_gpt2},
    {"llama", create_llama},
    {"ministral", create_llama},
    {"mistral", create_llama},
    {"qwen2", create_llama},
    {"qwen3", create_llama},
    {"smollm3", create_llama},
}};

}  // namespace

std::shared_ptr<LanguageModel> create_model(const Json& config, nn::WeightSource& weights,
                                            const ModelOptions& options) {
  const auto model_type = json_get<std::string>(config, "model_type", "config.json");
  for (const auto& row : kRegistry) {
    if (row.model_type == model_type) {
      const MemoryScope scope(MemoryKind::weights);
      return row.create(config, weights, options);
    }
  }
  fail(ErrorKind::unsupported, "config.json: model_type must be one of {}, got \"{}\"",
       fmt::join(known_model_types(), ", "), model_type);
}

std::vector<std::string> known_model_types() {
  std::vector<std::string> types;
  for (const auto& row : kRegistry) {
    types.emplace_back(row.model_type);
  }
  std::sort(types.begin(), types.end());
  return types;
}

}  // namespace dstorch::models
