#include <fmt/ranges.h>

#include "core/throw.h"
#include "driver/loaded_model.h"
#include "models/plain_input.h"

namespace dstorch::driver {

at::Tensor plain_output(const LoadedModel& loaded, std::string_view prompt) {
  const at::NoGradGuard no_grad;
  if (const auto* plain = std::get_if<PlainModel>(&loaded.model)) {
    const auto input = models::plain_input(prompt, plain->input_size);
    return plain->network->forward(input.to(plain->network->parameters().front().device()));
  }
  const auto& scripted = std::get<ScriptedModel>(loaded.model);
  return scripted.network->run(models::plain_input(prompt, scripted.input_size).to(scripted.device));
}

std::string describe_plain_output(const at::Tensor& output) {
  const auto flat = output.to(at::kCPU, at::kFloat).contiguous();
  const std::vector<float> values(flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel());
  return fmt::format("Torch model output (shape: {}, values: {})", fmt::join(output.sizes(), "x"),
                     fmt::join(values, ", "));
}

}  // namespace dstorch::driver
