#include "models/outline.h"

#include "models/planned_weights.h"
#include "models/registry.h"

namespace dstorch::models {

ModelOutline outline(const Json& config, const std::shared_ptr<const Checkpoint>& checkpoint, DType dtype,
                     bool convert) {
  ModelOutline result;
  result.dtype = dtype;
  PlannedWeights weights(checkpoint, dtype, convert);
  result.model = create_model(config, weights, {at::kMeta});
  result.sizes = result.model->sizes();
  result.kv_layout = result.model->kv_layout();
  result.weight_bytes = weights.bytes();
  return result;
}

}  // namespace dstorch::models
