#include "train/example_pass.h"

#include <ATen/ATen.h>
#include <torch/autograd.h>

#include <algorithm>

#include "core/rng.h"
#include "core/torch_compat.h"
#include "device/memory_account.h"
#include "models/training_parts.h"
#include "ops/weight.h"
#include "train/gradient_sum.h"
#include "train/value_of.h"

namespace dstorch::training {
namespace {

/// The rows of some examples, and what is predicted from which of them: tokens from the rows before them, a class from
/// its text's last row.
struct Gathered {
  ops::Batch batch;
  at::Tensor rows;              // int64 [predictions]: the row that predicts
  at::Tensor targets;           // int64 [predictions]: tokens, or classes
  std::vector<int64_t> counts;  // predictions of each example
};

/// A dry run has no numbers, and takes no memory of the CPU's.
at::Tensor numbers(const std::vector<int64_t>& values, at::Device device) {
  const auto options = at::TensorOptions(at::kLong).device(device);
  return device.is_meta() ? at::empty({std::ssize(values)}, options) : at::tensor(values, at::kLong).to(device);
}

Gathered gather(const std::vector<Example>& examples, const MicroBatch& chosen, const nn::Adapter* adapter,
                at::Device device = at::kCPU) {
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
  result.batch.tokens = numbers(tokens, device);
  if (adapter != nullptr) {
    result.batch.adapters = {adapter};
  }
  result.rows = numbers(rows, device);
  result.targets = numbers(targets, device);
  return result;
}

/// Of the outputs by `input`, where that is defined, and by the parameters.
struct Gradients {
  at::Tensor input;
  std::vector<at::Tensor> parameters;  // undefined where the outputs do not depend on one
};

Gradients gradients_of(const at::Tensor& output, const at::Tensor& gradient, const at::Tensor& input,
                       const GradientSum& sum) {
  torch::autograd::variable_list by = sum.parameters();
  if (input.defined()) {
    by.push_back(input);
  }
  Gradients result;
  result.parameters = torch::autograd::grad({output}, by, {gradient}, /*retain_graph=*/false, /*create_graph=*/false,
                                            /*allow_unused=*/true);
  if (input.defined()) {
    result.input = std::move(result.parameters.back());
    result.parameters.pop_back();
  }
  return result;
}

void add(const std::vector<at::Tensor>& gradients, std::vector<at::Tensor>& sums) {
  sums.resize(gradients.size());
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (gradients[i].defined()) {
      sums[i] = sums[i].defined() ? sums[i] + gradients[i] : gradients[i];
    }
  }
}

/// One part of a micro-batch: forward, and backward block by block.
class PartPass {
 public:
  PartPass(models::LanguageModel& model, const Gathered& all, double divisor, const PassSettings& settings,
           GradientSum& sum, int64_t part)
      : model_(model), all_(all), divisor_(divisor), settings_(settings), sum_(sum), part_(part) {}

  /// The sum of the losses.
  double run() {
    forward();
    auto gradient = learn_head();
    for (auto i = model_.num_blocks() - 1; i >= 0 && blocks_.back().learns; --i) {
      auto block = std::move(blocks_.back());
      blocks_.pop_back();
      const auto output = block.output.defined() ? std::move(block.output) : run_block(i, block.input);
      auto found = gradients_of(output, gradient, block.input.requires_grad() ? block.input : at::Tensor(), sum_);
      gradient = std::move(found.input);
      sum_.add(part_, model_.num_blocks() - 1 - i, found.parameters);
    }
    if (embedding_learns_) {
      add(gradients_of(run_block(-1, {}), gradient, {}, sum_).parameters, outer_);
    }
    sum_.add(part_, model_.num_blocks(), outer_);
    return loss_;
  }

 private:
  struct Block {
    at::Tensor input;
    at::Tensor output;  // undefined: computed anew from the input
    bool learns;        // it, or what lies below
  };

  /// -1: the embedding.
  at::Tensor run_block(int64_t index, const at::Tensor& x) {
    const compat::CpuBfloat16Autocast autocast(settings_.bfloat16);
    return index < 0 ? model_.embed(all_.batch) : model_.block(index, x, all_.batch);
  }

  void forward() {
    auto output = run_block(-1, {});
    embedding_learns_ = output.requires_grad();
    bool learns = embedding_learns_;
    last_ = output.detach();
    for (int64_t i = 0; i < model_.num_blocks(); ++i) {
      const auto input = last_.requires_grad_(learns);
      output = at::Tensor();  // and with it what it was computed from, where nobody keeps that
      output = run_block(i, input);
      learns = output.requires_grad();
      last_ = output.detach();
      blocks_.push_back({input, settings_.checkpointing ? at::Tensor() : output, learns});
    }
  }

  /// Some rows at a time. Returns the gradient by the last states [rows, hidden]; the head's own waits for the
  /// embedding's, which may be of the same table.
  at::Tensor learn_head() {
    const auto states = ops::rows_at(last_, all_.rows);
    const auto gradient = at::empty_like(states);
    for (int64_t begin = 0; begin < states.size(0); begin += models::kHeadRows) {
      const auto count = std::min(models::kHeadRows, states.size(0) - begin);
      const auto part = states.narrow(0, begin, count).detach().requires_grad_();
      auto rows = ops::Batch::of_rows(count, settings_.adapter);
      rows.dropout_seed = *all_.batch.dropout_seed + static_cast<uint64_t>(begin);
      at::Tensor loss;
      {
        const compat::CpuBfloat16Autocast autocast(settings_.bfloat16);
        const auto logits = model_.logits_of(part, rows).to(at::kFloat);
        loss = at::cross_entropy_loss(logits, all_.targets.narrow(0, begin, count), {}, at::Reduction::Sum);
      }
      loss_ += value_of(loss);
      const auto found = gradients_of(loss / divisor_, {}, part, sum_);
      gradient.narrow(0, begin, count).copy_(found.input);
      add(found.parameters, outer_);
      if (states.is_meta() && begin > 0) {
        break;  // a dry run: those that follow are like these
      }
    }
    return at::zeros_like(last_).index_copy_(0, all_.rows, gradient);
  }

  models::LanguageModel& model_;
  const Gathered& all_;
  double divisor_;
  const PassSettings& settings_;
  GradientSum& sum_;
  int64_t part_;
  bool embedding_learns_ = false;
  std::vector<Block> blocks_;
  at::Tensor last_;
  std::vector<at::Tensor> outer_;  // of what is neither in one block nor in another
  double loss_ = 0;
};

/// Examples that follow one another, in parts of about as many rows.
std::vector<MicroBatch> cut(const std::vector<Example>& examples, const MicroBatch& chosen) {
  int64_t rows = 0;
  for (const auto place : chosen) {
    rows += examples[place].read_count();
  }
  const auto count = models::part_count(rows, std::ssize(chosen));
  std::vector<MicroBatch> parts(1);
  int64_t before = 0;
  for (const auto place : chosen) {
    const auto middle = before + examples[place].read_count() / 2;
    if (!parts.back().empty() && middle * count >= rows * std::ssize(parts)) {
      parts.emplace_back();
    }
    parts.back().push_back(place);
    before += examples[place].read_count();
  }
  return parts;
}

}  // namespace

double learn_examples(models::LanguageModel& model, const Parameters& parameters, const std::vector<Example>& examples,
                      const MicroBatch& chosen, double divisor, uint64_t dropout_seed, const PassSettings& settings) {
  const auto parts = cut(examples, chosen);
  std::vector<uint64_t> seeds;
  for (Rng rng(dropout_seed); seeds.size() < parts.size();) {
    seeds.push_back(rng.next());
  }
  return learn_parts(parameters, std::ssize(parts), [&](int64_t part, GradientSum& sum) {
    const auto place = static_cast<std::size_t>(part);
    auto all = gather(examples, parts[place], settings.adapter, parameters.front().second.device());
    all.batch.dropout_seed = seeds[place];
    return PartPass(model, all, divisor, settings, sum, part).run();
  });
}

ExampleScores score_examples(models::LanguageModel& model, const std::vector<Example>& examples,
                             const MicroBatch& chosen, const nn::Adapter* adapter) {
  const at::NoGradGuard no_grad;
  const MemoryScope scope(MemoryKind::activations);
  const auto all = gather(examples, chosen, adapter);
  const auto states = model.hidden(all.batch).index_select(0, all.rows);
  auto right = at::empty({states.size(0)}, at::kBool);
  ExampleScores scores;
  for (int64_t begin = 0; begin < states.size(0); begin += models::kHeadRows) {
    const auto count = std::min(models::kHeadRows, states.size(0) - begin);
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
