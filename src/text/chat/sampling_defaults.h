#pragma once

#include <filesystem>

#include "dstorch/generation.h"

namespace dstorch::text {

/// How a model's makers sample its answers: `generation_config.json` in `directory`, whose "do_sample" chooses between
/// sampling and the most likely token, as in transformers. Without the file, the options as they are. Throws
/// LMError{format}.
GenerationOptions read_sampling_defaults(const std::filesystem::path& directory, GenerationOptions options = {});

}  // namespace dstorch::text
