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

void count_gradients(const Parameters& parameters) {
  for (const auto& [name, parameter] : parameters) {
    parameter.register_hook([](const at::Tensor& gradient) { retag(gradient, MemoryKind::gradients); });
  }
}

void drop_gradients(const Parameters& parameters) {
  for (auto [name, parameter] : parameters) {
    parameter.mutable_grad() = at::Tensor();
  }
}

void require_finite_loss(double loss, int64_t step) {
  require(std::isfinite(loss), ErrorKind::inference,
          "the loss of step {} is not finite ({}): try a lower learning rate or a longer warm-up", step, loss);
}

double update(const Parameters& parameters, Optimizer& optimizer, double learning_rate, double clip_norm, double loss,
              int64_t step) {
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
  optimizer.step(learning_rate);
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

}  // namespace dstorch::training
