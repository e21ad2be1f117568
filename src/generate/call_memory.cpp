#include "generate/call_memory.h"

#include <algorithm>

#include "core/throw.h"
#include "device/webgl/attention.h"
#include "dstorch/memory.h"
#include "generate/generator.h"

namespace dstorch::generate {
namespace {

/// Token ids and other small tensors of a call.
constexpr int64_t kSmallTensors = 8192;

}  // namespace

models::GenerationMemory call_memory(const models::ModelSizes& sizes, DType dtype, const Device& device, int64_t prompt,
                                     int64_t positions) {
  models::GenerationShape shape;
  shape.context = positions;
  shape.prompt = prompt;
  shape.chunk = kPromptChunk;
  shape.weight_size = static_cast<int64_t>(size_of(dtype));
  shape.cache_size = shape.weight_size;
  shape.fused = device.type == DeviceType::cpu && dtype != DType::float64;
  shape.webgl = device.type == DeviceType::webgl;
  shape.attention_shader = shape.webgl && shape.cache_size == static_cast<int64_t>(sizeof(float)) &&
                           webgl::attention_takes(sizes.num_kv_heads, positions, sizes.head_dim);
  return models::generation_memory(sizes, shape);
}

MemoryBudget::Reservation reserve_call(Engine& engine, int64_t prompt, int64_t positions) {
  const auto& sizes = engine.model->sizes();
  if (engine.limit == nullptr || sizes.num_heads == 0) {
    return {};
  }
  auto& limit = *engine.limit;
  const auto memory = call_memory(sizes, limit.dtype, limit.device, prompt, positions);
  MemoryBudget::Need need;
  need.own = memory.kv_cache + memory.held + kSmallTensors;
  need.turn = std::max(memory.activations - memory.held, memory.tables_peak - memory.tables);
  need.turn = std::max<int64_t>(need.turn, 0);
  need.kept = memory.tables;
  auto reservation = limit.budget.reserve(need);
  if (!reservation) {
    fail(ErrorKind::out_of_memory,
         "this call of {} positions would pass the memory limit of {}: {} are loaded or promised to running calls. It "
         "needs: {}. Ask for fewer tokens, wait for other calls, or raise the limit",
         positions, format_bytes(limit.budget.limit()), format_bytes(limit.budget.committed()), limit.plan(positions));
  }
  return reservation;
}

}  // namespace dstorch::generate
