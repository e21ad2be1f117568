#include <fmt/ranges.h>

#include "core/throw.h"
#include "driver/loaded_model.h"

namespace dstorch::driver {
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

/// [1, input_size]: the prompt's length in characters when input_size is 1, else its UTF-8 bytes / 255, zero-padded or
/// cut.
at::Tensor plain_input(std::string_view prompt, int64_t input_size) {
  require(input_size > 0, ErrorKind::unsupported,
          "the model's input size cannot be told from its weights, so a prompt cannot be turned into its input");
  auto input = at::zeros({1, input_size}, at::kFloat);
  auto* data = input.data_ptr<float>();
  if (input_size == 1) {
    data[0] = static_cast<float>(utf16_length(prompt));
    return input;
  }
  const auto count = std::min(prompt.size(), static_cast<std::size_t>(input_size));
  for (std::size_t i = 0; i < count; ++i) {
    data[i] = static_cast<float>(static_cast<unsigned char>(prompt[i])) / 255.0F;
  }
  return input;
}

}  // namespace

at::Tensor run_plainly(const LoadedModel& loaded, std::string_view prompt) {
  const at::NoGradGuard no_grad;
  if (const auto* plain = std::get_if<PlainModel>(&loaded.model)) {
    const auto input = plain_input(prompt, plain->input_size);
    return plain->network->forward(input.to(plain->network->parameters().front().device()));
  }
  const auto& scripted = std::get<ScriptedModel>(loaded.model);
  return scripted.network->run(plain_input(prompt, scripted.input_size).to(scripted.device));
}

std::string plain_text(const at::Tensor& output) {
  const auto flat = output.to(at::kCPU, at::kFloat).contiguous();
  const std::vector<float> values(flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel());
  return fmt::format("Torch model output (shape: {}, values: {})", fmt::join(output.sizes(), "x"),
                     fmt::join(values, ", "));
}

}  // namespace dstorch::driver
