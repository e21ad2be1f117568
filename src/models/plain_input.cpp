#include "models/plain_input.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/throw.h"

namespace dstorch::models {
namespace {

/// Characters as JavaScript counts them, UTF-16 code units: the framework's `prompt.length`.
int64_t utf16_length(std::string_view text) {
  int64_t units = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool continuation = (byte & 0xC0U) == 0x80U;
    units += continuation ? 0 : (byte >= 0xF0U ? 2 : 1);
  }
  return units;
}

}  // namespace

at::Tensor plain_input(std::string_view text, int64_t input_size) {
  require(input_size > 0, ErrorKind::unsupported,
          "the model's input size cannot be told from its weights, so a prompt cannot be turned into its input");
  auto input = at::zeros({1, input_size}, at::kFloat);
  auto* data = input.data_ptr<float>();
  if (input_size == 1) {
    data[0] = static_cast<float>(utf16_length(text));
    return input;
  }
  const auto count = std::min(text.size(), static_cast<std::size_t>(input_size));
  for (std::size_t i = 0; i < count; ++i) {
    data[i] = static_cast<float>(static_cast<unsigned char>(text[i])) / 255.0F;
  }
  return input;
}

}  // namespace dstorch::models
