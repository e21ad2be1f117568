#include "train/evaluate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "core/throw.h"
#include "core/torch_compat.h"
#include "device/memory_account.h"
#include "train/loss.h"
#include "train/window_sampler.h"

namespace dstorch::training {

namespace {

/// The bytes of text that the tokens to be predicted stand for.
int64_t predicted_bytes(const TokenStream& text, const Tokenizer& tokenizer, std::optional<int64_t> first_context) {
  if (first_context || text.ids.empty()) {
    return text.bytes;
  }
  return text.bytes - static_cast<int64_t>(tokenizer.decode(std::array<int64_t, 1>{text.ids.front()}, false).size());
}

}  // namespace

bool can_evaluate(const TokenStream& text, const Tokenizer& tokenizer, std::optional<int64_t> first_context) {
  return text.size() >= (first_context ? 1 : 2) && predicted_bytes(text, tokenizer, first_context) >= 1;
}

Evaluation evaluate(models::LanguageModel& model, const TokenStream& text, const Tokenizer& tokenizer,
                    std::optional<int64_t> first_context, int64_t batch_size, int64_t sequence_length, bool bfloat16) {
  require(
      can_evaluate(text, tokenizer, first_context), ErrorKind::invalid_argument,
      "the held-out text must have at least two tokens, and text besides those that end documents: it has {} tokens "
      "and {} bytes of text",
      text.size(), text.bytes);
  const auto bytes = predicted_bytes(text, tokenizer, first_context);
  auto ids = text.ids;
  if (first_context) {
    ids.insert(ids.begin(), static_cast<int32_t>(*first_context));
  }
  const auto predicted = static_cast<int64_t>(ids.size()) - 1;
  const torch::NoGradGuard no_grad;
  const MemoryScope scope(MemoryKind::activations);
  const compat::CpuBfloat16Autocast autocast(bfloat16);
  const auto device = model.parameters().front().device();
  double total = 0;
  const auto add = [&](std::span<const int64_t> begins, int64_t length) {
    const auto batch = gather_windows(ids, begins, length);
    const auto tokens = static_cast<double>(begins.size()) * static_cast<double>(length);
    total += next_token_loss(model.forward(batch.inputs.to(device)), batch.targets.to(device)).item<double>() * tokens;
  };
  std::vector<int64_t> begins;
  const auto whole = predicted / sequence_length;
  for (int64_t i = 0; i < whole; ++i) {
    begins.push_back(i * sequence_length);
    if (static_cast<int64_t>(begins.size()) == batch_size || i + 1 == whole) {
      add(begins, sequence_length);
      begins.clear();
    }
  }
  if (const auto rest = predicted % sequence_length; rest > 0) {
    add(std::array<int64_t, 1>{whole * sequence_length}, rest);
  }
  require(std::isfinite(total), ErrorKind::inference, "the loss on the held-out text is not finite");
  return {total / static_cast<double>(predicted), total / std::numbers::ln2 / static_cast<double>(bytes)};
}

}  // namespace dstorch::training
