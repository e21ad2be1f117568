#include "train/training_plan.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <functional>
#include <numeric>

#include "core/throw.h"
#include "device/dry_run.h"
#include "device/memory_fit.h"
#include "device/torch_types.h"
#include "models/classes.h"
#include "models/planned_weights.h"
#include "models/registry.h"
#include "models/training_parts.h"
#include "ops/cpu/thread_pool.h"
#include "train/example_pass.h"
#include "train/initialize.h"
#include "train/step.h"
#include "train/trainable_adapter.h"

namespace dstorch::training {
namespace {

const auto kMeta = at::TensorOptions(at::kMeta);

/// What a dry run found: the most of each kind, and the most at once.
struct Found {
  MemoryUse most;
  DType dtype = DType::float32;  // of the weights
  int64_t model_context = 0;

  /// As much more at that moment.
  void add(MemoryKind kind, int64_t bytes) {
    most.kinds[static_cast<std::size_t>(kind)].peak += bytes;
    most.total.peak += bytes;
  }
  /// At another moment there are `bytes` of a kind, and so many of all.
  void cover(MemoryKind kind, int64_t bytes, int64_t together) {
    auto& peak = most.kinds[static_cast<std::size_t>(kind)].peak;
    peak = std::max(peak, bytes);
    most.total.peak = std::max(most.total.peak, together);
  }
};

/// Bytes of the `count` largest parameters, of which as many threads update one each, as a multiple of the largest.
double largest_together(const Parameters& parameters, int64_t count) {
  std::vector<double> sizes;
  for (const auto& [name, parameter] : parameters) {
    sizes.push_back(static_cast<double>(parameter.nbytes()));
  }
  std::sort(sizes.begin(), sizes.end(), std::greater<>());
  sizes.resize(static_cast<std::size_t>(std::min<int64_t>(count, std::ssize(sizes))));
  return std::accumulate(sizes.begin(), sizes.end(), 0.0) / std::max(sizes.front(), 1.0);
}

/// Frozen weights in the format of the passes; a head of classes is trained, in float32.
class FrozenWeights : public models::PlannedWeights {
 public:
  using PlannedWeights::PlannedWeights;
  at::Tensor get(const std::string& name, at::IntArrayRef shape, bool transposed) override {
    return name == models::kClassWeight ? at::empty(shape, kMeta.dtype(at::kFloat))
                                        : PlannedWeights::get(name, shape, transposed);
  }
};

/// Weights that learn.
class PlannedTrainableWeights : public models::PlannedWeights {
 public:
  using PlannedWeights::PlannedWeights;
  [[nodiscard]] bool trainable() const override { return true; }
};

/// Examples that learn all of their `sequence` tokens, or the first class.
std::vector<Example> whole_examples(int64_t count, int64_t sequence, bool classifies) {
  Example one;
  one.ids.assign(static_cast<std::size_t>(classifies ? sequence : sequence + 1), 0);
  one.learned.assign(one.ids.size(), !classifies);
  if (classifies) {
    one.label = 0;
  }
  return std::vector<Example>(static_cast<std::size_t>(count), one);
}

/// A step of `parameters`, those of `model` or of `adapter` (null: no adapter), as the CPU takes it. Its parts are
/// alike, so that few of them are run: one that each thread takes stands for those beside it, and a second one comes
/// after it where there are more parts than threads. Then all gradients are there already while it is learned.
Found learn_step(models::LanguageModel& model, const Parameters& parameters, const nn::Adapter* adapter,
                 const PlannedRun& run, int64_t sequence, const MemoryAccount& account, DType dtype) {
  count_gradients(parameters);
  Optimizer optimizer(parameters, {});
  optimizer.make_moments(/*only_with_gradients=*/false);  // from the second step on they are there
  const auto parts = models::part_count(run.batch * sequence, run.batch);
  const auto threads = std::clamp<int64_t>(run.threads, 1, parts);
  const auto examples =
      whole_examples((run.batch + parts - 1) / parts, sequence, /*classifies=*/model.sizes().num_classes > 0);
  MicroBatch all(examples.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  ops::cpu::ThreadPool this_thread(1);  // the one that counts
  const ops::cpu::ThreadPool::Use alone(this_thread);
  for (auto begun = int64_t{0}; begun < parts && begun < 2 * threads; begun += threads) {
    learn_examples(model, parameters, examples, all, 1, 0, {adapter, run.bfloat16, run.checkpointing});
  }
  Found found{account.use({}), dtype, model.sizes().max_positions};
  const auto kept = found.most.total.bytes;
  found.add(MemoryKind::activations, (threads - 1) * found.most[MemoryKind::activations].peak);
  const auto passing = std::make_shared<MemoryAccount>();  // what an update takes and gives back
  {
    const MemoryScope scope(passing, MemoryKind::activations);
    update(parameters, optimizer, /*learning_rate=*/0, /*clip_norm=*/1, 0, 1);
  }
  const auto taken = static_cast<int64_t>(static_cast<double>(passing->use({}).total.peak) *
                                          largest_together(parameters, std::max<int64_t>(run.threads, 1)));
  found.cover(MemoryKind::activations, taken, kept + taken);
  return found;
}

/// A step that takes all windows at once, as a GPU does.
void learn_at_once(models::LanguageModel& model, const Parameters& parameters, const PlannedRun& run,
                   int64_t sequence) {
  count_gradients(parameters);
  Optimizer optimizer(parameters, {});
  optimizer.make_moments(/*only_with_gradients=*/false);
  const auto tokens = [&] { return at::empty({run.batch, sequence}, kMeta.dtype(at::kLong)); };
  const auto loss = backward_pass(model, {tokens(), tokens()}, run.bfloat16, 1);
  update(parameters, optimizer, /*learning_rate=*/0, /*clip_norm=*/1, loss, 1);
}

/// As train has it: the first weights are drawn, learn, and are saved.
Found learn_all(const Json& config, const PlannedRun& run, int64_t sequence) {
  const auto account = std::make_shared<MemoryAccount>();
  const DryRun dry(account, to_torch(run.device));
  nn::FreshWeights weights(kMeta.dtype(at::kFloat));
  const auto model = models::create_model(config, weights, {at::kMeta});
  initialize_parameters(*model, {});
  model->train();
  const auto parameters = parameters_of(*model);
  Found found;
  if (run.device.type == DeviceType::cpu) {
    found = learn_step(*model, parameters, nullptr, run, sequence, *account, DType::float32);
  } else {
    learn_at_once(*model, parameters, run, sequence);
    found = {account->use({}), DType::float32, model->sizes().max_positions};
  }
  for (const auto& [name, parameter] : parameters) {
    const auto saved = parameter.detach().contiguous();  // a copy of what lies transposed
  }
  const auto saving = account->use({});
  found.cover(MemoryKind::other, saving[MemoryKind::other].peak, saving.total.peak);
  return found;
}

/// As finetune has it: adapters learn beside frozen weights.
Found learn_adapters(const Json& config, const std::shared_ptr<const Checkpoint>& checkpoint, const PlannedRun& run,
                     int64_t sequence) {
  const auto account = std::make_shared<MemoryAccount>();
  const DryRun dry(account, to_torch(run.device));
  const auto dtype = run.bfloat16 ? DType::bfloat16 : DType::float32;
  FrozenWeights weights(checkpoint, dtype, /*convert=*/true);
  const auto model = models::create_model(config, weights, {at::kMeta});
  engine::LoraConfig lora;
  lora.rank = run.lora_rank;
  TrainableAdapter adapter(*model, lora, target_layers(*model, {"all-linear"}), 0);
  if (model->sizes().num_classes > 0) {
    adapter.keep_whole(models::kClassHead, *model->named_parameters().find(models::kClassWeight));
  }
  return learn_step(*model, adapter.parameters(), &adapter.adapter(), run, sequence, *account, dtype);
}

/// As finetune has it with `full`: all weights learn, as float32 copies of the checkpoint's.
Found learn_weights(const Json& config, const std::shared_ptr<const Checkpoint>& checkpoint, const PlannedRun& run,
                    int64_t sequence) {
  const auto account = std::make_shared<MemoryAccount>();
  const DryRun dry(account, to_torch(run.device));
  PlannedTrainableWeights weights(checkpoint, DType::float32, /*convert=*/true);
  const auto model = models::create_model(config, weights, {at::kMeta});
  return learn_step(*model, parameters_of(*model), nullptr, run, sequence, *account, DType::float32);
}

Found learn(const Json& config, const std::shared_ptr<const Checkpoint>& checkpoint, const PlannedRun& run,
            int64_t sequence) {
  switch (run.training) {
    case Training::lora:
      return learn_adapters(config, checkpoint, run, sequence);
    case Training::full_finetune:
      return learn_weights(config, checkpoint, run, sequence);
    case Training::full:
      return learn_all(config, run, sequence);
    case Training::none:
      break;
  }
  fail(ErrorKind::internal, "a plan for training must be for some training");
}

MemoryPlan plan_sequence(const Json& config, const std::shared_ptr<const Checkpoint>& checkpoint, const PlannedRun& run,
                         int64_t sequence) {
  const auto found = learn(config, checkpoint, run, sequence);
  MemoryPlan plan;
  plan.device = run.device;
  plan.dtype = found.dtype;
  plan.context = sequence;
  plan.batch = run.batch;
  plan.model_context = found.model_context;
  for (std::size_t kind = 0; kind < kMemoryKinds; ++kind) {
    plan.kinds[kind] = found.most.kinds[kind].peak;
  }
  plan.total = found.most.total.peak;
  return plan;
}

}  // namespace

MemoryPlan plan_training(const Json& config, const std::shared_ptr<const Checkpoint>& checkpoint,
                         const PlannedRun& run) {
  auto plan = plan_sequence(config, checkpoint, run, run.sequence);
  set_fit(plan, run.memory_limit, plan.model_context,
          [&](int64_t length) { return plan_sequence(config, checkpoint, run, length); });
  return plan;
}

}  // namespace dstorch::training
