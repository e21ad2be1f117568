#include "driver/generation_memory.h"

#include <algorithm>
#include <array>
#include <map>
#include <mutex>

#include "core/throw.h"
#include "device/machine_memory.h"
#include "device/memory_fit.h"
#include "device/torch_types.h"
#include "engine/adapter_file.h"
#include "models/pass_memory.h"
#include "nn/adapter.h"

namespace dstorch::driver {
namespace {

/// Token ids and other small tensors of a call.
constexpr int64_t kSmallTensors = 8192;

/// A model that nobody asks keeps prefixes in this part of the memory that was free.
constexpr int64_t kIdleShare = 8;

/// A pass of `rows` rows, the longest of whose `sequences` has so many positions.
int64_t pass_bytes(const models::ModelOutline& model, const TorchModelConfig& config, int64_t rows, int64_t positions,
                   int64_t sequences, const nn::Adapter* adapter = nullptr) {
  return models::pass_memory(*model.model, {.rows = rows,
                                            .positions = positions,
                                            .sequences = sequences,
                                            .device = to_torch(config.device),
                                            .kv_dtype = kv_dtype(config, model.dtype),
                                            .adapter = adapter});
}

/// An adapter of this rank on every linear layer, without memory.
nn::Adapter adapter_of_rank(const models::LanguageModel& model, int64_t rank) {
  const auto matrix = [](int64_t rows, int64_t columns) {
    return at::empty({rows, columns}, at::TensorOptions(at::kFloat).device(at::kMeta));
  };
  nn::Adapter adapter;
  for (const auto& [name, layer] : engine::linear_layers(model)) {
    adapter.add(*layer, {matrix(rank, layer->in_features()), matrix(layer->out_features(), rank)});
  }
  return adapter;
}

int64_t kv_bytes(const models::ModelOutline& model, const TorchModelConfig& config, int64_t context) {
  return model.kv_layout.sequence_bytes(context, engine::StepLimits{}.prompt_rows, kv_dtype(config, model.dtype));
}

/// The most a pass takes while `batch` prompts of `context` positions are read: the last whole piece sees the most
/// positions of its kind, the rest of the prompt all of them.
int64_t largest_pass(const models::ModelOutline& model, const TorchModelConfig& config, int64_t context,
                     int64_t batch) {
  const auto piece = engine::StepLimits{}.prompt_rows;
  if (batch > 1) {
    const auto rows = std::min(piece + batch - 1, batch * std::min(piece, context));
    return pass_bytes(model, config, rows, context, batch);
  }
  const auto whole = context / piece * piece;
  int64_t most = 0;
  if (whole > 0) {
    most = pass_bytes(model, config, piece, whole, 1);
  }
  if (context > whole) {
    most = std::max(most, pass_bytes(model, config, context - whole, context, 1));
  }
  return most;
}

/// What passes of one model take, each kind of pass looked into once. Thread-safe.
class KnownPasses {
 public:
  KnownPasses(models::ModelOutline model, TorchModelConfig config)
      : model_(std::move(model)), config_(std::move(config)) {}

  /// `rank`: of the adapters that rows go through, the largest; 0 without any.
  int64_t bytes(int64_t rows, int64_t positions, int64_t sequences, int64_t rank) {
    const std::array<int64_t, 4> key{rows, positions, sequences, rank};
    const std::lock_guard lock(mutex_);
    if (const auto place = known_.find(key); place != known_.end()) {
      return place->second;
    }
    const auto adapter = adapter_of_rank(*model_.model, rank);
    const auto found = pass_bytes(model_, config_, rows, positions, sequences, rank > 0 ? &adapter : nullptr);
    if (known_.size() >= kMost) {
      known_.clear();
    }
    known_[key] = found;
    return found;
  }

 private:
  static constexpr std::size_t kMost = 4096;

  models::ModelOutline model_;
  TorchModelConfig config_;
  std::mutex mutex_;
  std::map<std::array<int64_t, 4>, int64_t> known_;
};

MemoryPlan plan_context(const models::ModelOutline& model, const TorchModelConfig& config, int64_t context,
                        int64_t batch) {
  const auto tables = model.model->tables(context);
  MemoryPlan plan;
  plan.device = config.device;
  plan.dtype = model.dtype;
  plan.context = context;
  plan.batch = batch;
  plan.model_context = model.sizes.max_positions;
  part(plan, MemoryKind::weights) = model.weight_bytes;
  part(plan, MemoryKind::kv_cache) = batch * kv_bytes(model, config, context);
  part(plan, MemoryKind::activations) = largest_pass(model, config, context, batch);
  part(plan, MemoryKind::other) = tables.peak;
  // The tables grow in a moment when the pass has made little else.
  plan.total = model.weight_bytes + plan[MemoryKind::kv_cache] + tables.kept +
               std::max(plan[MemoryKind::activations], tables.peak - tables.kept);
  return plan;
}

}  // namespace

at::ScalarType kv_dtype(const TorchModelConfig& config, DType weights) {
  if (!config.kv_dtype) {
    const bool kept = weights == DType::bfloat16 || weights == DType::float16 || weights == DType::float64;
    return to_torch(kept ? weights : DType::float32);
  }
  if (*config.kv_dtype == KvDType::q8) {
    require(config.device.type != DeviceType::webgl, ErrorKind::unsupported,
            "kv_dtype must be float32, bfloat16 or float16 on webgl, got q8, which it has no shaders for");
    return ops::kQ8Pages;
  }
  return to_torch(parse_dtype(to_string(*config.kv_dtype)).value());
}

MemoryPlan plan_generation(const models::ModelOutline& model, const TorchModelConfig& config, int64_t context,
                           int64_t batch) {
  const auto limit = model.sizes.max_positions;
  if (context == 0) {
    context = config.max_context > 0 ? config.max_context : limit;
  }
  auto plan = plan_context(model, config, context, batch);
  set_fit(plan, config.memory_limit, limit, [&](int64_t length) { return plan_context(model, config, length, batch); });
  return plan;
}

engine::MemoryBounds memory_bounds(const models::ModelOutline& model, const TorchModelConfig& config,
                                   const std::shared_ptr<const MemoryAccount>& account) {
  require(config.kv_memory >= 0, ErrorKind::invalid_argument,
          "kv_memory must be at least 0 bytes (0 is no bound of its own), got {}", config.kv_memory);
  engine::MemoryBounds bounds;
  if (model.kv_layout.groups.empty()) {
    return bounds;  // a model that keeps nothing, and whose passes cannot be foreseen
  }
  bounds.kv = config.kv_memory;
  auto idle = bounds.kv;  // what prefixes may take while nothing runs
  const auto taken = account ? account->use(config.device) : MemoryUse{};
  if (config.memory_limit > 0) {
    bounds.together = std::max<int64_t>(1, config.memory_limit - taken.total.bytes);
    idle = idle > 0 ? std::min(idle, bounds.together) : bounds.together;
  } else if (bounds.kv == 0) {
    const auto available = machine_memory(config.device).available;
    bounds.kv = available / 2;
    idle = available / kIdleShare;
  }
  bounds.prefixes = config.prefix_cache ? idle : 0;
  const auto passes = std::make_shared<KnownPasses>(model, config);
  bounds.pass = [model = model.model, device = config.device, passes, account,
                 weights = taken[MemoryKind::weights].bytes](int64_t rows, int64_t positions, int64_t sequences,
                                                             int64_t rank) {
    const auto tables = model->tables(positions);
    const auto pass = passes->bytes(rows, positions, sequences, rank);
    const auto attached = account ? account->use(device)[MemoryKind::weights].bytes - weights : 0;  // adapters
    return tables.kept + std::max(pass, tables.peak - tables.kept) + std::max<int64_t>(attached, 0) + kSmallTensors;
  };
  bounds.plan = [model, config](int64_t positions) { return to_string(plan_generation(model, config, positions, 1)); };
  return bounds;
}

}  // namespace dstorch::driver
