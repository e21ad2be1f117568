#include "train/example_pass.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/torch_compat.h"
#include "device/memory_account.h"

namespace dstorch::training {
namespace {

/// Rows that go through the head together: the vocabulary is wide, and its logits are the largest tensors there are.
constexpr int64_t kHeadRows = 256;

/// The rows of some examples, and what is predicted from which of them: tokens from the rows before them, a class from
/// its text's last row.
struct Gathered {
  ops::Batch batch;
  at::Tensor rows;              // int64 [predictions]: the row that predicts
  at::Tensor targets;           // int64 [predictions]: tokens, or classes
  std::vector<int64_t> counts;  // predictions of each example
};

Gathered gather(const std::vector<Example>& examples, const MicroBatch& chosen, const nn::Adapter* adapter) {
  Gathered result;
  std::vector<int64_t> tokens;
  std::vector<int64_t> rows;
  std::vector<int64_t> targets;
  for (const auto place : chosen) {
    const auto& example = examples[place];
    const auto first = static_cast<int64_t>(tokens.size());
    const auto before = rows.size();
    const auto read = example.read_count();
    for (std::size_t i = 0; i < static_cast<std::size_t>(read); ++i) {
      const bool last = i + 1 == static_cast<std::size_t>(read);
      if (example.label ? last : example.learned[i + 1]) {
        rows.push_back(static_cast<int64_t>(tokens.size()));
        targets.push_back(example.label ? *example.label : example.ids[i + 1]);
      }
      tokens.push_back(example.ids[i]);
    }
    result.batch.spans.push_back({.first = first, .count = read, .adapter = adapter ? 0 : -1});
    result.counts.push_back(static_cast<int64_t>(rows.size() - before));
  }
  result.batch.tokens = at::tensor(tokens, at::kLong);
  if (adapter != nullptr) {
    result.batch.adapters = {adapter};
  }
  result.rows = at::tensor(rows, at::kLong);
  result.targets = at::tensor(targets, at::kLong);
  return result;
}

at::Tensor leaf_of(const at::Tensor& tensor) { return tensor.detach().requires_grad_(); }

/// The sum of the losses of states [rows, hidden]; its gradient over `divisor`, by the states, goes into theirs, by the
/// head into the head's.
double learn_head(models::LanguageModel& model, const at::Tensor& states, const at::Tensor& targets, double divisor,
                  const PassSettings& settings, uint64_t dropout_seed, at::Tensor& gradient) {
  double total = 0;
  gradient = at::empty_like(states);
  for (int64_t begin = 0; begin < states.size(0); begin += kHeadRows) {
    const auto count = std::min(kHeadRows, states.size(0) - begin);
    const auto part = leaf_of(states.narrow(0, begin, count));
    auto rows = ops::Batch::of_rows(count, settings.adapter);
    rows.dropout_seed = dropout_seed + static_cast<uint64_t>(begin);
    at::Tensor loss;
    {
      const compat::CpuBfloat16Autocast autocast(settings.bfloat16);
      const auto logits = model.logits_of(part, rows).to(at::kFloat);
      loss = at::cross_entropy_loss(logits, targets.narrow(0, begin, count), {}, at::Reduction::Sum);
    }
    total += loss.item<double>();
    (loss / divisor).backward();
    gradient.narrow(0, begin, count).copy_(part.grad());
  }
  return total;
}

/// The gradient of the last states, by those of some of their rows.
at::Tensor spread(const at::Tensor& gradient, const at::Tensor& rows, const at::Tensor& like) {
  return at::zeros_like(like).index_copy_(0, rows, gradient);
}

double learn_whole(models::LanguageModel& model, const Gathered& all, double divisor, const PassSettings& settings) {
  at::Tensor hidden;
  {
    const compat::CpuBfloat16Autocast autocast(settings.bfloat16);
    hidden = model.hidden(all.batch);
  }
  at::Tensor gradient;
  const auto loss = learn_head(model, hidden.detach().index_select(0, all.rows), all.targets, divisor, settings,
                               *all.batch.dropout_seed, gradient);
  if (hidden.requires_grad()) {
    hidden.backward(spread(gradient, all.rows, hidden.detach()));
  }
  return loss;
}

/// One block at a time, from what went into it.
double learn_by_block(models::LanguageModel& model, const Gathered& all, double divisor, const PassSettings& settings) {
  std::vector<at::Tensor> inputs;
  const auto run = [&](int64_t index, const at::Tensor& x) {
    const compat::CpuBfloat16Autocast autocast(settings.bfloat16);
    return index < 0 ? model.embed(all.batch) : model.block(index, x, all.batch);
  };
  auto x = run(-1, {}).detach();
  for (int64_t i = 0; i < model.num_blocks(); ++i) {
    inputs.push_back(x);
    x = run(i, x).detach();
  }
  at::Tensor gradient;
  const auto loss =
      learn_head(model, x.index_select(0, all.rows), all.targets, divisor, settings, *all.batch.dropout_seed, gradient);
  gradient = spread(gradient, all.rows, x);
  x = at::Tensor();
  for (auto i = model.num_blocks() - 1; i >= 0; --i) {
    const auto input = leaf_of(inputs.back());
    inputs.pop_back();
    run(i, input).backward(gradient);
    gradient = input.grad();
  }
  if (const auto embedded = run(-1, {}); embedded.requires_grad()) {
    embedded.backward(gradient);
  }
  return loss;
}

}  // namespace

double learn_examples(models::LanguageModel& model, const std::vector<Example>& examples, const MicroBatch& chosen,
                      double divisor, uint64_t dropout_seed, const PassSettings& settings) {
  const MemoryScope scope(MemoryKind::activations);
  const BackwardMemoryScope backward(MemoryKind::activations);
  auto all = gather(examples, chosen, settings.adapter);
  all.batch.dropout_seed = dropout_seed;
  return settings.checkpointing ? learn_by_block(model, all, divisor, settings)
                                : learn_whole(model, all, divisor, settings);
}

ExampleScores score_examples(models::LanguageModel& model, const std::vector<Example>& examples,
                             const MicroBatch& chosen, const nn::Adapter* adapter) {
  const at::NoGradGuard no_grad;
  const MemoryScope scope(MemoryKind::activations);
  const auto all = gather(examples, chosen, adapter);
  const auto states = model.hidden(all.batch).index_select(0, all.rows);
  auto right = at::empty({states.size(0)}, at::kBool);
  ExampleScores scores;
  for (int64_t begin = 0; begin < states.size(0); begin += kHeadRows) {
    const auto count = std::min(kHeadRows, states.size(0) - begin);
    const auto targets = all.targets.narrow(0, begin, count);
    const auto logits =
        model.logits_of(states.narrow(0, begin, count), ops::Batch::of_rows(count, adapter)).to(at::kFloat);
    scores.loss += at::cross_entropy_loss(logits, targets, {}, at::Reduction::Sum).item<double>();
    right.narrow(0, begin, count).copy_(at::eq(logits.argmax(-1), targets));
  }
  const auto* said = right.data_ptr<bool>();
  for (const auto count : all.counts) {
    scores.right += std::all_of(said, said + count, [](bool is) { return is; }) ? 1 : 0;
    said += count;
  }
  scores.examples = static_cast<int64_t>(chosen.size());
  scores.tokens = states.size(0);
  return scores;
}

}  // namespace dstorch::training
