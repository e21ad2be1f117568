#include "train/step.h"

#include <torch/nn/utils/clip_grad.h>

#include <cmath>
#include <limits>

#include "core/throw.h"
#include "core/torch_compat.h"
#include "device/memory_account.h"
#include "train/loss.h"
#include "train/value_of.h"

namespace dstorch::training {
namespace {

/// The L2 norm of all gradients together, before they are clipped to `limit`; 0 in a dry run, which has no numbers.
double clip(const std::vector<at::Tensor>& parameters, double limit) {
  const bool dry = !parameters.empty() && parameters.front().is_meta();
  return dry ? 0.0 : torch::nn::utils::clip_grad_norm_(parameters, limit);
}

std::vector<at::Tensor> tensors_of(const Parameters& parameters) {
  std::vector<at::Tensor> tensors;
  for (const auto& [name, parameter] : parameters) {
    tensors.push_back(parameter);
  }
  return tensors;
}

}  // namespace

void make_moments(torch::optim::AdamW& optimizer, bool only_with_gradients) {
  using StateMap = std::decay_t<decltype(optimizer.state())>;
  const MemoryScope scope(MemoryKind::optimizer);
  const at::NoGradGuard no_grad;
  for (const auto& group : optimizer.param_groups()) {
    for (const auto& parameter : group.params()) {
      if (only_with_gradients && !parameter.grad().defined()) {
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

void count_gradients(const Parameters& parameters) {
  for (const auto& [name, parameter] : parameters) {
    parameter.register_hook([](const at::Tensor& gradient) { retag(gradient, MemoryKind::gradients); });
  }
}

void count_gradients(const torch::nn::Module& model) { count_gradients(parameters_of(model)); }

void drop_gradients(const Parameters& parameters) {
  for (auto [name, parameter] : parameters) {
    parameter.mutable_grad() = at::Tensor();
  }
}

std::unique_ptr<torch::optim::AdamW> make_optimizer(const torch::nn::Module& model, const AdamWSettings& settings) {
  return make_optimizer(parameters_of(model), settings);
}

std::unique_ptr<torch::optim::AdamW> make_optimizer(const Parameters& parameters, const AdamWSettings& settings) {
  std::vector<at::Tensor> matrices;
  std::vector<at::Tensor> others;
  for (const auto& [name, parameter] : parameters) {
    (parameter.dim() >= 2 ? matrices : others).push_back(parameter);
  }
  const auto options = [&](double weight_decay) {
    auto result = std::make_unique<torch::optim::AdamWOptions>(0.0);
    result->betas({settings.beta1, settings.beta2}).eps(settings.eps).weight_decay(weight_decay);
    return result;
  };
  std::vector<torch::optim::OptimizerParamGroup> groups;
  if (!matrices.empty()) {
    groups.emplace_back(matrices, options(settings.weight_decay));
  }
  if (!others.empty()) {
    groups.emplace_back(others, options(0.0));
  }
  return std::make_unique<torch::optim::AdamW>(groups);
}

void require_finite_loss(double loss, int64_t step) {
  require(std::isfinite(loss), ErrorKind::inference,
          "the loss of step {} is not finite ({}): try a lower learning rate or a longer warm-up", step, loss);
}

double update(const Parameters& parameters, torch::optim::AdamW& optimizer, double learning_rate, double clip_norm,
              double loss, int64_t step) {
  const MemoryScope scope(MemoryKind::activations);
  for (const auto& [name, parameter] : parameters) {
    retag(parameter.grad(), MemoryKind::gradients);  // those that no hook saw
  }
  const double limit = clip_norm > 0 ? clip_norm : std::numeric_limits<double>::infinity();
  const double norm = clip(tensors_of(parameters), limit);
  if (!std::isfinite(norm)) {
    drop_gradients(parameters);
    fail(ErrorKind::inference,
         "the gradients of step {} are not finite (loss {}): try a lower learning rate or a longer warm-up", step,
         loss);
  }
  for (auto& group : optimizer.param_groups()) {
    group.options().set_lr(learning_rate);
  }
  make_moments(optimizer);
  optimizer.step();
  drop_gradients(parameters);
  return norm;
}

double backward_pass(models::LanguageModel& model, const Batch& batch, bool bfloat16, int64_t step) {
  const MemoryScope scope(MemoryKind::activations);
  at::Tensor loss;
  {
    const compat::CpuBfloat16Autocast autocast(bfloat16);
    loss = next_token_loss(model.forward(batch.inputs), batch.targets);
  }
  const auto value = value_of(loss);
  require_finite_loss(value, step);
  const BackwardMemoryScope backward(MemoryKind::activations);
  loss.backward();
  return value;
}

StepResult train_step(models::LanguageModel& model, torch::optim::AdamW& optimizer, const Batch& batch,
                      double learning_rate, double clip_norm, bool bfloat16, int64_t step) {
  StepResult result;
  result.loss = backward_pass(model, batch, bfloat16, step);
  result.grad_norm = update(parameters_of(model), optimizer, learning_rate, clip_norm, result.loss, step);
  return result;
}

}  // namespace dstorch::training
