#include "train/step.h"

#include <torch/nn/utils/clip_grad.h>

#include <cmath>
#include <limits>

#include "core/throw.h"
#include "core/torch_compat.h"
#include "device/memory_account.h"
#include "train/loss.h"

namespace dstorch::training {
namespace {

/// Undefined rather than zero: the next backward pass then writes gradients instead of adding to them.
void drop_gradients(torch::nn::Module& model) {
  for (auto& parameter : model.parameters()) {
    parameter.mutable_grad() = at::Tensor();
  }
}

/// AdamW would make its moments in its first step, among what is thrown away after it; made here, they are counted for
/// what they are.
void make_moments(torch::optim::AdamW& optimizer) {
  using StateMap = std::decay_t<decltype(optimizer.state())>;
  const MemoryScope scope(MemoryKind::optimizer);
  const at::NoGradGuard no_grad;
  for (const auto& group : optimizer.param_groups()) {
    for (const auto& parameter : group.params()) {
      if (!parameter.grad().defined()) {
        continue;
      }
      auto& state = optimizer.state()[compat::optimizer_state_key<StateMap>(parameter)];
      if (state == nullptr) {
        auto moments = std::make_unique<torch::optim::AdamWParamState>();
        moments->step(0);
        moments->exp_avg(at::zeros_like(parameter, at::MemoryFormat::Preserve));
        moments->exp_avg_sq(at::zeros_like(parameter, at::MemoryFormat::Preserve));
        state = std::move(moments);
      }
    }
  }
}

/// What is a gradient now, if a hook missed it.
void tag_gradients(const torch::nn::Module& model) {
  for (const auto& parameter : model.parameters()) {
    retag(parameter.grad(), MemoryKind::gradients);
  }
}

}  // namespace

void count_gradients(torch::nn::Module& model) {
  for (const auto& parameter : model.parameters()) {
    parameter.register_hook([](const at::Tensor& gradient) { retag(gradient, MemoryKind::gradients); });
  }
}

std::unique_ptr<torch::optim::AdamW> make_optimizer(const torch::nn::Module& model, const AdamWSettings& settings) {
  std::vector<at::Tensor> matrices;
  std::vector<at::Tensor> others;
  for (const auto& parameter : model.parameters()) {
    (parameter.dim() >= 2 ? matrices : others).push_back(parameter);
  }
  const auto options = [&](double weight_decay) {
    auto result = std::make_unique<torch::optim::AdamWOptions>(0.0);
    result->betas({settings.beta1, settings.beta2}).eps(settings.eps).weight_decay(weight_decay);
    return result;
  };
  std::vector<torch::optim::OptimizerParamGroup> groups;
  groups.emplace_back(matrices, options(settings.weight_decay));
  if (!others.empty()) {
    groups.emplace_back(others, options(0.0));
  }
  return std::make_unique<torch::optim::AdamW>(groups);
}

StepResult train_step(models::LanguageModel& model, torch::optim::AdamW& optimizer, const Batch& batch,
                      double learning_rate, double clip_norm, bool bfloat16, int64_t step) {
  const MemoryScope scope(MemoryKind::activations);
  StepResult result;
  {
    at::Tensor loss;
    {
      const compat::CpuBfloat16Autocast autocast(bfloat16);
      loss = next_token_loss(model.forward(batch.inputs), batch.targets);
    }
    result.loss = loss.item<double>();
    require(std::isfinite(result.loss), ErrorKind::inference,
            "the loss of step {} is not finite ({}): try a lower learning rate or a longer warm-up", step, result.loss);
    const BackwardMemoryScope backward(MemoryKind::activations);
    loss.backward();
  }
  tag_gradients(model);
  const double limit = clip_norm > 0 ? clip_norm : std::numeric_limits<double>::infinity();
  result.grad_norm = torch::nn::utils::clip_grad_norm_(model.parameters(), limit);
  if (!std::isfinite(result.grad_norm)) {
    drop_gradients(model);
    fail(ErrorKind::inference,
         "the gradients of step {} are not finite (loss {}): try a lower learning rate or a longer warm-up", step,
         result.loss);
  }
  for (auto& group : optimizer.param_groups()) {
    group.options().set_lr(learning_rate);
  }
  make_moments(optimizer);
  optimizer.step();
  drop_gradients(model);
  return result;
}

}  // namespace dstorch::training
