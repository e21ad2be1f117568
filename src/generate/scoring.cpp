#include "generate/scoring.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/throw.h"

namespace dstorch::generate {
namespace {

/// Rows of logits made at a time: the vocabulary is wide, and the head reads its weights once per call.
constexpr int64_t kHeadRows = 64;

std::vector<float> to_vector(const at::Tensor& tensor) {
  const auto flat = tensor.to(at::kCPU, at::kFloat).contiguous();
  return {flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel()};
}

/// Damaged weights show as NaN in everything the model makes.
template <typename Numbers>
void check_numbers(const Numbers& numbers) {
  const bool valid = std::none_of(numbers.begin(), numbers.end(), [](auto number) { return std::isnan(number); });
  require(
      valid, ErrorKind::inference,
      "what the model made are not finite numbers (NaN): its weights are damaged, or its dtype overflows; try --dtype "
      "float32");
}

void check_fits(const Engine& engine, std::span<const int64_t> tokens) {
  const auto count = static_cast<int64_t>(tokens.size());
  require(count <= engine.max_context, ErrorKind::context_overflow,
          "the text has {} tokens, {} more than the context of {}; shorten it", count, count - engine.max_context,
          engine.max_context);
}

MemoryBudget::Reservation reserve_all(Engine& engine, std::span<const int64_t> tokens) {
  const auto count = static_cast<int64_t>(tokens.size());
  return reserve_call(engine, count, count);
}

/// -sum log p(targets[i] | hidden[i]): hidden [rows, hidden], targets [rows].
double loss_of(Engine& engine, const at::Tensor& hidden, std::span<const int64_t> targets) {
  double loss = 0;
  for (int64_t first = 0; first < hidden.size(0); first += kHeadRows) {
    const auto rows = std::min(kHeadRows, hidden.size(0) - first);
    at::Tensor logits;
    {
      const std::lock_guard lock(engine.step_mutex);
      logits = engine.model->logits(hidden.narrow(0, first, rows));  // [rows, vocab]
    }
    const auto target =
        at::tensor(at::ArrayRef<int64_t>(targets.data() + first, static_cast<std::size_t>(rows)), at::kLong)
            .to(logits.device());
    const auto chosen = logits.gather(1, target.unsqueeze(1)).squeeze(1).to(at::kDouble);
    loss += (at::logsumexp(logits, 1).to(at::kDouble) - chosen).sum().item<double>();
  }
  check_numbers(std::array{loss});
  return loss;
}

}  // namespace

std::vector<float> next_logits(Engine& engine, std::span<const int64_t> prompt) {
  check_tokens(engine, prompt);
  check_fits(engine, prompt);
  const at::NoGradGuard no_grad;
  const MemoryScope memory(engine.memory, MemoryKind::activations);
  const auto reserved = reserve_all(engine, prompt);
  const auto state = engine.model->make_state(static_cast<int64_t>(prompt.size()));
  at::Tensor last;
  run_chunks(engine, *state, prompt, [&](const at::Tensor& hidden, int64_t) {
    last = hidden.narrow(0, hidden.size(0) - 1, 1);
    return true;
  });
  std::vector<float> logits;
  {
    const std::lock_guard lock(engine.step_mutex);
    logits = to_vector(engine.model->logits(last));
  }
  check_numbers(logits);
  return logits;
}

std::vector<float> mean_hidden(Engine& engine, std::span<const int64_t> tokens) {
  check_tokens(engine, tokens);
  check_fits(engine, tokens);
  const at::NoGradGuard no_grad;
  const MemoryScope memory(engine.memory, MemoryKind::activations);
  const auto reserved = reserve_all(engine, tokens);
  const auto state = engine.model->make_state(static_cast<int64_t>(tokens.size()));
  at::Tensor sum;  // [hidden]
  run_chunks(engine, *state, tokens, [&](const at::Tensor& hidden, int64_t) {
    const auto part = engine.model->final_norm(hidden).to(at::kDouble).sum(0);
    sum = sum.defined() ? sum + part : part;
    return true;
  });
  auto mean = to_vector(sum / static_cast<double>(tokens.size()));
  check_numbers(mean);
  return mean;
}

double negative_log_likelihood(Engine& engine, std::span<const int64_t> tokens, const ProgressCallback& on_progress) {
  check_tokens(engine, tokens);
  const at::NoGradGuard no_grad;
  const MemoryScope memory(engine.memory, MemoryKind::activations);
  const auto total = static_cast<int64_t>(tokens.size());
  const auto window = std::min(engine.max_context, total);
  const auto reserved = reserve_call(engine, window, window);
  const auto stride = std::max<int64_t>(window / 2, 1);
  double loss = 0;
  int64_t scored = 1;  // tokens before this one are done; the first has nothing to be predicted from
  for (int64_t begin = 0; scored < total; begin += stride) {
    // The last window is moved back so that it is full too.
    const auto first = std::max<int64_t>(std::min(begin, total - window), 0);
    const auto part = tokens.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(window));
    const auto state = engine.model->make_state(window);
    run_chunks(engine, *state, part.first(part.size() - 1), [&](const at::Tensor& hidden, int64_t offset) {
      // Row r predicts token first + offset + r + 1.
      const auto skip = std::max<int64_t>(scored - (first + offset + 1), 0);
      if (skip < hidden.size(0)) {
        const auto rows = hidden.size(0) - skip;
        const auto target = static_cast<std::size_t>(first + offset + skip + 1);
        loss += loss_of(engine, hidden.narrow(0, skip, rows), tokens.subspan(target, static_cast<std::size_t>(rows)));
        scored = first + offset + 1 + hidden.size(0);
      }
      if (on_progress) {
        require(on_progress({"tokens", scored, total}), ErrorKind::cancelled, "scoring was cancelled");
      }
      return true;
    });
  }
  return loss;
}

}  // namespace dstorch::generate
