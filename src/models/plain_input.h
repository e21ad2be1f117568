#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string_view>

namespace dstorch::models {

/// The input that a plain network gets for a text, float32 [1, input_size]: the text's length in characters when
/// input_size is 1, else its UTF-8 bytes / 255, padded with zeros or cut. Throws LMError{unsupported} for an input_size
/// below 1.
at::Tensor plain_input(std::string_view text, int64_t input_size);

}  // namespace dstorch::models
