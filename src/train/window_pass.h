#pragma once

#include "models/language_model.h"
#include "train/parameters.h"
#include "train/window_sampler.h"

namespace dstorch::training {

/// The mean loss of windows of a text, in nats; its gradients are left in the parameters, which must have none before.
/// On the CPU the threads of the PassThreads around take parts of the windows each, and their number changes no bit; on
/// a GPU all windows go through the model at once. `batch` is on the CPU. Throws LMError{inference} that names `step`
/// when the loss is not finite.
double learn_windows(models::LanguageModel& model, const Parameters& parameters, const Batch& batch, bool bfloat16,
                     int64_t step);

}  // namespace dstorch::training
