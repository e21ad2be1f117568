#pragma once

#include <cstdint>

#include "dstorch/generation.h"

namespace dstorch::engine {

/// Throws LMError{invalid_argument} naming the first option that is outside its range. `vocab_size` bounds the ids; 0
/// is not known yet.
void check_options(const GenerationOptions& options, int64_t vocab_size);

}  // namespace dstorch::engine
