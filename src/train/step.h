#pragma once

#include <torch/optim/adamw.h>

#include <cstdint>
#include <memory>

#include "models/language_model.h"
#include "train/parameters.h"
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

/// LibTorch's AdamW over `parameters`.
std::unique_ptr<torch::optim::AdamW> make_optimizer(const Parameters& parameters, const AdamWSettings& settings);
std::unique_ptr<torch::optim::AdamW> make_optimizer(const torch::nn::Module& model, const AdamWSettings& settings);

/// The moments of AdamW, which would make them in its first step among what is thrown away after it: made here, they
/// are counted for what they are. `only_with_gradients`: of the parameters that have one now.
void make_moments(torch::optim::AdamW& optimizer, bool only_with_gradients = true);

/// From now on the memory of the gradients is counted as such from the moment backward hands them over.
void count_gradients(const Parameters& parameters);
void count_gradients(const torch::nn::Module& model);

/// Undefined rather than zero: the next backward pass then writes gradients instead of adding to them.
void drop_gradients(const Parameters& parameters);

struct StepResult {
  /// Before the update, in nats.
  double loss = 0;
  /// L2 norm of all gradients together, before clipping.
  double grad_norm = 0;
};

/// Throws LMError{inference} that names `step` unless the loss is finite.
void require_finite_loss(double loss, int64_t step);

/// Clips the gradients to `clip_norm` (0 is off), lets the optimizer take its step with `learning_rate`, and drops the
/// gradients; their norm before clipping. Throws LMError{inference} that names `step`, before anything is updated, when
/// a gradient is not finite.
double update(const Parameters& parameters, torch::optim::AdamW& optimizer, double learning_rate, double clip_norm,
              double loss, int64_t step);

/// The mean loss of a batch; its gradients are left in the parameters. Throws LMError{inference} that names `step`
/// when it is not finite.
double backward_pass(models::LanguageModel& model, const Batch& batch, bool bfloat16, int64_t step);

/// One forward and backward pass, clipping to `clip_norm` (0 is off) and the optimizer's update with
/// `learning_rate`. Throws LMError{inference} that names `step`, before anything is updated, when the loss or a
/// gradient is not finite.
StepResult train_step(models::LanguageModel& model, torch::optim::AdamW& optimizer, const Batch& batch,
                      double learning_rate, double clip_norm, bool bfloat16, int64_t step);

}  // namespace dstorch::training
