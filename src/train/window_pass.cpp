#include "train/window_pass.h"

#include <cmath>
#include <numeric>

#include "train/example_pass.h"
#include "train/step.h"

namespace dstorch::training {
namespace {

/// Each window as an example that learns all of it.
std::vector<Example> examples_of(const Batch& batch) {
  const auto length = batch.inputs.size(1);
  const auto* inputs = batch.inputs.data_ptr<int64_t>();
  const auto* targets = batch.targets.data_ptr<int64_t>();
  std::vector<Example> examples(static_cast<std::size_t>(batch.inputs.size(0)));
  for (auto& example : examples) {
    example.ids.assign(inputs, inputs + length);
    example.ids.push_back(static_cast<int32_t>(targets[length - 1]));
    example.learned.assign(example.ids.size(), true);
    inputs += length;
    targets += length;
  }
  return examples;
}

}  // namespace

double learn_windows(models::LanguageModel& model, const Parameters& parameters, const Batch& batch, bool bfloat16,
                     int64_t step) {
  const auto device = parameters.front().second.device();
  if (!device.is_cpu()) {
    return backward_pass(model, {batch.inputs.to(device), batch.targets.to(device)}, bfloat16, step);
  }
  const auto examples = examples_of(batch);
  MicroBatch all(examples.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  const auto tokens = static_cast<double>(batch.targets.numel());
  PassSettings settings;
  settings.bfloat16 = bfloat16;
  const auto loss = learn_examples(model, parameters, examples, all, tokens, /*dropout_seed=*/0, settings) / tokens;
  if (!std::isfinite(loss)) {
    drop_gradients(parameters);
  }
  require_finite_loss(loss, step);
  return loss;
}

}  // namespace dstorch::training
