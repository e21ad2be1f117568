#include "models/scripted_lm.h"

#include <limits>

#include "core/throw.h"
#include "device/memory_account.h"

namespace dstorch::models {
namespace {

/// An archive does not state its context length; only memory limits it.
constexpr int64_t kUnlimited = int64_t{1} << 20;

}  // namespace

ScriptedLM::ScriptedLM(const std::filesystem::path& path, at::Device device) {
  const MemoryScope scope(MemoryKind::weights);
  try {
    module_ = torch::jit::load(path.string(), device);
    module_.eval();
  } catch (const c10::Error& e) {
    fail(ErrorKind::format, "LibTorch cannot load the TorchScript archive {}: {}", path.string(),
         e.what_without_backtrace());
  }
  sizes_.model_type = "torchscript";
  sizes_.max_positions = kUnlimited;
}

at::Tensor ScriptedLM::hidden(const ops::Batch& batch) {
  std::vector<at::Tensor> rows;
  for (const auto& span : batch.spans) {
    const auto logits = run(batch.tokens.narrow(0, span.first, span.count).unsqueeze(0));
    require(logits.dim() == 3 && logits.size(1) == span.count, ErrorKind::inference,
            "a scripted language model must return logits [1, {}, vocab], it returned {} dimensions", span.count,
            logits.dim());
    rows.push_back(logits.squeeze(0).to(at::kFloat));
  }
  return rows.size() == 1 ? rows.front() : at::cat(rows, 0);
}

at::Tensor ScriptedLM::run(const at::Tensor& input) {
  auto output = module_.forward({input});
  if (output.isTuple() && !output.toTupleRef().elements().empty()) {
    output = output.toTupleRef().elements()[0];
  }
  require(output.isTensor(), ErrorKind::inference, "the scripted model must return a tensor, it returned {}",
          output.tagKind());
  return output.toTensor();
}

int64_t ScriptedLM::input_size() const {
  for (const auto& parameter : module_.parameters()) {
    if (parameter.dim() == 2) {
      return parameter.size(1);
    }
  }
  return 0;
}

std::pair<int64_t, int64_t> ScriptedLM::parameter_count_and_bytes() const {
  int64_t count = 0;
  int64_t bytes = 0;
  for (const auto& parameter : module_.parameters()) {
    count += parameter.numel();
    bytes += static_cast<int64_t>(parameter.nbytes());
  }
  return {count, bytes};
}

}  // namespace dstorch::models
