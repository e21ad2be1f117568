#include "train/training_plan.h"

#include "device/memory_fit.h"
#include "models/training_memory.h"

namespace dstorch::training {
namespace {

MemoryPlan plan_sequence(const models::ModelOutline& model, const PlannedRun& run, int64_t sequence) {
  models::TrainingShape shape;
  shape.batch = run.batch;
  shape.sequence = sequence;
  shape.webgl = run.device.type == DeviceType::webgl;
  shape.bfloat16 = run.bfloat16;
  shape.parameters = model.parameters;
  shape.block_parameters = model.block_parameters;
  shape.largest_parameter = model.largest_parameter;
  shape.largest_transposed = model.largest_transposed;
  MemoryPlan plan;
  if (run.lora_rank > 0) {
    shape.lora_rank = run.lora_rank;
    shape.checkpointing = run.checkpointing;
    shape.threads = run.threads;
    shape.lora_block_parameters = run.lora_rank * model.block_sides;      // two matrices for each product
    const auto head = model.sizes.num_classes * model.sizes.hidden_size;  // of classes: trained whole, in float32
    shape.lora_parameters = model.sizes.num_layers * shape.lora_block_parameters + head;
    plan.dtype = run.bfloat16 ? DType::bfloat16 : DType::float32;
    part(plan, MemoryKind::weights) =
        static_cast<int64_t>(size_of(plan.dtype)) * (model.parameters - head) + 4 * shape.lora_parameters;
  } else {
    plan.dtype = DType::float32;
    part(plan, MemoryKind::weights) = 4 * model.parameters;
  }
  const auto step = models::training_memory(model.sizes, shape);
  plan.device = run.device;
  plan.context = sequence;
  plan.batch = run.batch;
  plan.model_context = model.sizes.max_positions;
  part(plan, MemoryKind::activations) = step.activations;
  part(plan, MemoryKind::gradients) = step.gradients;
  part(plan, MemoryKind::optimizer) = step.optimizer;
  part(plan, MemoryKind::other) = step.other;
  plan.total = part(plan, MemoryKind::weights) + step.together;
  return plan;
}

}  // namespace

MemoryPlan plan_training(const models::ModelOutline& model, const PlannedRun& run) {
  auto plan = plan_sequence(model, run, run.sequence);
  set_fit(plan, run.memory_limit, model.sizes.max_positions,
          [&](int64_t length) { return plan_sequence(model, run, length); });
  return plan;
}

}  // namespace dstorch::training
