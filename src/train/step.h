#pragma once

#include <torch/optim/adamw.h>

#include <cstdint>
#include <functional>

#include "models/language_model.h"
#include "train/window_sampler.h"

namespace dstorch::training {

/// AdamW (Loshchilov & Hutter 2019).
struct AdamWSettings {
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  /// On parameters of two dimensions or more: not on norms and biases.
  double weight_decay = 0.1;
};

/// LibTorch's AdamW over all parameters of `model`.
std::unique_ptr<torch::optim::AdamW> make_optimizer(const torch::nn::Module& model, const AdamWSettings& settings);

/// From now on the memory of `model`'s gradients is counted as such from the moment backward hands them over.
void count_gradients(torch::nn::Module& model);

struct StepResult {
  /// Before the update, in nats.
  double loss = 0;
  /// L2 norm of all gradients together, before clipping.
  double grad_norm = 0;
};

/// One forward and backward pass, clipping to `clip_norm` (0 is off) and the optimizer's update with
/// `learning_rate`. Throws LMError{inference} that names `step`, before anything is updated, when the loss or a
/// gradient is not finite.
StepResult train_step(models::LanguageModel& model, torch::optim::AdamW& optimizer, const Batch& batch,
                      double learning_rate, double clip_norm, bool bfloat16, int64_t step);

}  // namespace dstorch::training
