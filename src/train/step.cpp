#include "train/step.h"

#include <torch/nn/utils/clip_grad.h>

#include <cmath>
#include <limits>

#include "core/throw.h"
#include "core/torch_compat.h"
#include "train/loss.h"

namespace dstorch::training {
namespace {

/// Undefined rather than zero: the next backward pass then writes gradients instead of adding to them.
void drop_gradients(torch::nn::Module& model) {
  for (auto& parameter : model.parameters()) {
    parameter.mutable_grad() = at::Tensor();
  }
}

}  // namespace

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

StepResult train_step(models::CausalLM& model, torch::optim::AdamW& optimizer, const Batch& batch, double learning_rate,
                      double clip_norm, bool bfloat16, int64_t step) {
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
    loss.backward();
  }
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
  optimizer.step();
  drop_gradients(model);
  return result;
}

}  // namespace dstorch::training
