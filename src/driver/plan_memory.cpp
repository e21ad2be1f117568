#include "driver/plan_memory.h"

#include <algorithm>

#include "device/memory_fit.h"
#include "driver/generation_memory.h"
#include "driver/loaded_model.h"
#include "dstorch/model_source.h"
#include "dstorch/simple_transformer.h"
#include "ops/cpu/thread_pool.h"
#include "train/bfloat16.h"
#include "train/training_plan.h"

namespace dstorch {
namespace driver {
namespace {

namespace fs = std::filesystem;

void check(const TorchModelConfig& config, const PlanOptions& options) {
  constexpr int64_t kMost = int64_t{1} << 20;
  const auto check_count = [&](const char* name, int64_t value, int64_t least) {
    require(value >= least && value <= kMost, ErrorKind::invalid_argument, "{} must be between {} and {}, got {}", name,
            least, kMost, value);
  };
  check_count("context", options.context, 0);
  check_count("batch", options.batch, 0);
  check_count("lora_rank", options.lora_rank, 1);
  require(config.memory_limit >= 0, ErrorKind::invalid_argument,
          "memory_limit must be at least 0 bytes (0 is no limit), got {}", config.memory_limit);
}

MemoryPlan plan_language_model(const TorchModelConfig& config, const PlanOptions& options, const Json& json,
                               const std::shared_ptr<const Checkpoint>& checkpoint) {
  const auto model = outline(config, json, checkpoint);
  const auto limit = model.sizes.max_positions;
  require(options.context <= limit && config.max_context <= limit, ErrorKind::invalid_argument,
          "the context must be at most the model's {}, got {}", limit, std::max(options.context, config.max_context));
  if (options.training == Training::none) {
    return plan_generation(model, config, options.context, std::max<int64_t>(1, options.batch));
  }
  require(model.sizes.num_classes == 0 || options.training != Training::full, ErrorKind::unsupported,
          "models that tell classes apart are not trained from nothing; plan for fine-tuning (--train lora or "
          "full-finetune)");
  training::PlannedRun run;
  run.device = config.device;
  run.memory_limit = config.memory_limit;
  run.batch = options.batch > 0 ? options.batch : run.batch;
  run.sequence = options.context > 0 ? options.context : std::min(limit, run.sequence);
  run.training = options.training;
  run.lora_rank = options.lora_rank;
  run.checkpointing = options.checkpointing;
  run.threads = config.threads > 0 ? config.threads : ops::cpu::available_processors();
  require(run.training != Training::full || !run.checkpointing, ErrorKind::invalid_argument,
          "checkpointing is fine-tuning's (--train lora or full-finetune)");
  run.bfloat16 = training::trains_in_bfloat16(options.bfloat16, config.device);
  return training::plan_training(json, checkpoint, run);
}

/// Linear layers alone: their weights, and one row of activations.
MemoryPlan plan_plain(const TorchModelConfig& config, const PlanOptions& options, const Architecture& architecture,
                      int64_t weight_bytes, DType dtype) {
  require(options.training == Training::none, ErrorKind::unsupported, "only language models can be trained");
  MemoryPlan plan;
  plan.device = config.device;
  plan.dtype = dtype;
  plan.batch = std::max<int64_t>(1, options.batch);
  plan.context = 1;
  plan.model_context = 1;
  const auto widest = std::max(architecture.hidden_size, architecture.output_size);
  part(plan, MemoryKind::weights) = weight_bytes;
  part(plan, MemoryKind::activations) =
      plan.batch * static_cast<int64_t>(size_of(dtype)) * (architecture.input_size + 2 * widest);
  plan.total = weight_bytes + part(plan, MemoryKind::activations);
  plan.available = available_memory(config.device, config.memory_limit);
  plan.largest_context = plan.fits() ? 1 : 0;
  return plan;
}

MemoryPlan plan_state_dict(const TorchModelConfig& config, const PlanOptions& options, const Checkpoint& checkpoint) {
  int64_t numbers = 0;
  auto dtype = DType::float32;
  for (const auto& view : checkpoint.tensors()) {
    dtype = view.dtype == DType::float64 ? DType::float64 : dtype;
    numbers += view.numel();
  }
  const auto bytes = numbers * static_cast<int64_t>(size_of(dtype));
  return plan_plain(config, options, simple_transformer_architecture(checkpoint).value(), bytes, dtype);
}

MemoryPlan plan_path(const TorchModelConfig& config, const PlanOptions& options, const fs::path& path) {
  const auto source = resolve(path);
  switch (source.kind) {
    case ModelSource::Kind::language_model:
      return plan_language_model(config, options, read_json(*source.config), source.checkpoint);
    case ModelSource::Kind::plain_network:
      return plan_state_dict(config, options, *source.checkpoint);
    case ModelSource::Kind::torchscript:
      fail(ErrorKind::unsupported,
           "a TorchScript archive does not say how large its tensors are; load it and look at what it takes");
    case ModelSource::Kind::tensors:
      break;
  }
  fail(ErrorKind::format,
       "a file of weights alone must be the plain architecture's state dict (a stack of linear layers); for another "
       "model give the directory that holds its config.json");
}

}  // namespace

models::ModelOutline outline(const TorchModelConfig& config, const Json& json,
                             const std::shared_ptr<const Checkpoint>& checkpoint) {
  return models::outline(json, checkpoint, weights_dtype(config, json, checkpoint.get()), converts_weights(config));
}

void check_limit(const TorchModelConfig& config) {
  MemoryPlan plan;
  try {
    plan = plan_memory(config);
  } catch (const LMError&) {
    return;  // Loading says it better; a TorchScript archive is held to the limit while it loads.
  }
  require(plan[MemoryKind::weights] <= config.memory_limit, ErrorKind::out_of_memory,
          "the model does not fit into the memory limit of {}: {}", format_bytes(config.memory_limit), to_string(plan));
}

}  // namespace driver

MemoryPlan plan_memory(const TorchModelConfig& config, const PlanOptions& options) {
  driver::check(config, options);
  if (config.model_path) {
    return driver::plan_path(config, options, *config.model_path);
  }
  require(config.architecture.has_value(), ErrorKind::invalid_argument,
          "Either modelPath or architecture must be specified");
  const auto& a = *config.architecture;
  const int64_t numbers = a.hidden_size * (a.input_size + 1) +
                          (a.num_layers - 1) * a.hidden_size * (a.hidden_size + 1) +
                          a.output_size * (a.hidden_size + 1);
  return driver::plan_plain(config, options, a, 4 * numbers, DType::float32);
}

}  // namespace dstorch
