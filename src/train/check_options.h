#pragma once

#include "dstorch/finetune.h"
#include "dstorch/train.h"

namespace dstorch::training {

/// Throws LMError{invalid_argument} that names the first option outside what is allowed.
void check_options(const TrainOptions& options);
void check_options(const FinetuneOptions& options);

}  // namespace dstorch::training
