#pragma once

#include <cstdint>

#include "models/language_model.h"
#include "train/optimizer.h"
#include "train/parameters.h"
#include "train/window_sampler.h"

namespace dstorch::training {

/// From now on the memory of the gradients is counted as such from the moment backward hands them over.
void count_gradients(const Parameters& parameters);

/// Undefined rather than zero: the next backward pass then writes gradients instead of adding to them.
void drop_gradients(const Parameters& parameters);

/// Throws LMError{inference} that names `step` unless the loss is finite.
void require_finite_loss(double loss, int64_t step);

/// Clips the gradients to `clip_norm` (0 is off), lets the optimizer take its step with `learning_rate`, and drops the
/// gradients; their norm before clipping. Throws LMError{inference} that names `step`, before anything is updated, when
/// a gradient is not finite.
double update(const Parameters& parameters, Optimizer& optimizer, double learning_rate, double clip_norm, double loss,
              int64_t step);

/// The mean loss of a batch; its gradients are left in the parameters. Throws LMError{inference} that names `step`
/// when it is not finite.
double backward_pass(models::LanguageModel& model, const Batch& batch, bool bfloat16, int64_t step);

}  // namespace dstorch::training
