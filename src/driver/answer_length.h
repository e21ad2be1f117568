#pragma once

#include <cstdint>

#include "dstorch/generation.h"

namespace dstorch::driver {

/// How many tokens to make after `prompt` of them; `by_default` of them at most where nobody says, and no fewer than
/// the `needed` of a constraint's shortest answer. Throws LMError{context_overflow}.
int64_t tokens_to_make(const GenerationOptions& options, int64_t prompt, int64_t context, int64_t by_default,
                       int64_t needed);

}  // namespace dstorch::driver
