#include "nn/pass.h"

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <array>

#include "core/rng.h"
#include "core/throw.h"

namespace dstorch::nn {
namespace {

/// x with a random `share` of its numbers set to 0 and the others scaled up, so that the mean stays the same. The same
/// seed and id always drop the same numbers, so that a pass can be repeated.
at::Tensor drop_out(const at::Tensor& x, double share, uint64_t seed, uint64_t id) {
  const auto generator = at::make_generator<at::CPUGeneratorImpl>(Rng(seed ^ Rng(id).next()).next());
  const auto kept = at::empty(x.sizes(), x.options().device(at::kCPU)).bernoulli_(1 - share, generator);
  return x * kept.to(x.device()).div_(1 - share);
}

/// Some of a layer's rows as a layer of its own, over the same memory.
ops::LinearWeights rows_of(const ops::LinearWeights& whole, int64_t first, int64_t count) {
  auto part = whole;
  part.weight.data = whole.weight.data.narrow(0, first, count);
  part.weight.scales = whole.weight.scales.defined() ? whole.weight.scales.narrow(0, first, count) : at::Tensor();
  part.weight.rows = count;
  part.bias = whole.bias.defined() ? whole.bias.narrow(0, first, count) : at::Tensor();
  return part;
}

}  // namespace

Pass::Pass(const ops::Batch& batch, const ops::Backend& backend, Rotations rotations)
    : batch_(batch), backend_(backend), rotations_(std::move(rotations)) {
  for (const auto& span : batch.spans) {
    if (span.adapter < 0) {
      continue;
    }
    const auto* adapter = batch.adapters.at(static_cast<std::size_t>(span.adapter));
    if (!runs_.empty() && runs_.back().adapter == adapter && runs_.back().first + runs_.back().count == span.first) {
      runs_.back().count += span.count;
    } else {
      runs_.push_back({span.first, span.count, adapter});
    }
  }
  // A gradient flows through all rows at once, so all rows of a training pass must have the same adapter, or none.
  const auto rows = batch.spans.empty() ? 0 : batch.spans.back().first + batch.spans.back().count;
  whole_ = !runs_.empty() && runs_.front().count == rows;
  require(!at::GradMode::is_enabled() || runs_.empty() || whole_, ErrorKind::internal,
          "a pass with gradients must have one adapter for all of its {} rows", rows);
}

bool Pass::changes(std::initializer_list<const Linear*> linears) const {
  return std::any_of(runs_.begin(), runs_.end(), [&](const Run& run) {
    return std::any_of(linears.begin(), linears.end(), [&](const Linear* linear) {
      return linear != nullptr && run.adapter->find(*linear) != nullptr;
    });
  });
}

at::Tensor Pass::plain(const at::Tensor& x, const ops::LinearWeights& weights) const {
  return backend_.norm_linear(x, {}, std::array{weights});
}

at::Tensor Pass::change_of(const at::Tensor& x, const LowRank& change) const {
  const bool drops = change.dropout > 0 && batch_.dropout_seed;
  const auto input = drops ? drop_out(x, change.dropout, *batch_.dropout_seed, change.id) : x;
  const auto low = plain(input, {change.a, {}});  // [rows, rank]
  return plain(low, {change.b, {}}) * change.scale;
}

at::Tensor Pass::changed(const at::Tensor& x, const Linear& linear, const Run& run) const {
  const auto y = plain(x, linear.weights());
  const auto* change = run.adapter->find(linear);
  return change == nullptr ? y : y + change_of(x, *change);
}

at::Tensor Pass::linear(const at::Tensor& x, const Linear& linear) const {
  if (changes({&linear}) && whole_) {
    return changed(x, linear, runs_.front());
  }
  auto y = plain(x, linear.weights());
  for (const auto& run : runs_) {
    if (const auto* change = run.adapter->find(linear)) {
      y.narrow(0, run.first, run.count).add_(change_of(x.narrow(0, run.first, run.count), *change));
    }
  }
  return y;
}

at::Tensor Pass::embedding(const Embedding& table) const {
  auto x = table.forward(batch_.tokens);
  for (const auto& run : runs_) {
    if (const auto* change = run.adapter->find(table)) {
      const auto tokens = batch_.tokens.narrow(0, run.first, run.count);
      const auto added = plain(at::embedding(change->a.t(), tokens), {change->b, {}}) * change->scale;
      if (at::GradMode::is_enabled()) {
        x = x + added;
      } else {
        x.narrow(0, run.first, run.count).add_(added);
      }
    }
  }
  return x;
}

at::Tensor Pass::norm(const at::Tensor& x, const Norm& norm) const { return backend_.norm(x, norm.weights()); }

at::Tensor Pass::norm_linear(const at::Tensor& x, const Norm& norm,
                             std::initializer_list<const Linear*> linears) const {
  if (at::GradMode::is_enabled() && changes(linears)) {
    const auto normed = backend_.norm(x, norm.weights());
    std::vector<at::Tensor> parts;
    for (const auto* linear : linears) {
      parts.push_back(changed(normed, *linear, runs_.front()));
    }
    return parts.size() == 1 ? parts.front() : at::cat(parts, -1);
  }
  c10::SmallVector<ops::LinearWeights, 3> weights;
  for (const auto* linear : linears) {
    weights.push_back(linear->weights());
  }
  auto y = backend_.norm_linear(x, norm.weights(), {weights.data(), weights.size()});
  if (!changes(linears)) {
    return y;
  }
  for (const auto& run : runs_) {
    const auto normed = backend_.norm(x.narrow(0, run.first, run.count), norm.weights());
    int64_t column = 0;
    for (const auto* linear : linears) {
      if (const auto* change = run.adapter->find(*linear)) {
        y.narrow(0, run.first, run.count).narrow(1, column, linear->out_features()).add_(change_of(normed, *change));
      }
      column += linear->out_features();
    }
  }
  return y;
}

at::Tensor Pass::linear_residual(const at::Tensor& x, const Linear& linear, at::Tensor residual, double factor) const {
  if (factor != 1) {
    const auto y = this->linear(x, linear);
    return at::GradMode::is_enabled() ? residual + y * factor : residual.add_(y, factor);
  }
  if (!changes({&linear})) {
    return backend_.linear_residual(x, linear.weights(), std::move(residual));
  }
  if (at::GradMode::is_enabled()) {
    return residual + changed(x, linear, runs_.front());
  }
  auto y = backend_.linear_residual(x, linear.weights(), std::move(residual));
  for (const auto& run : runs_) {
    if (const auto* change = run.adapter->find(linear)) {
      y.narrow(0, run.first, run.count).add_(change_of(x.narrow(0, run.first, run.count), *change));
    }
  }
  return y;
}

at::Tensor Pass::linear_norm_residual(const at::Tensor& x, const Linear& linear, const Norm& norm,
                                      at::Tensor residual) const {
  const auto y = this->linear(x, linear);
  const auto normed = backend_.norm(y, norm.weights());
  return at::GradMode::is_enabled() ? residual + normed : residual.add_(normed);
}

at::Tensor Pass::normed_linear_gate(const at::Tensor& x, const ops::NormWeights& norm, const Linear& gate,
                                    const Linear* up, ops::Activation activation) const {
  const auto changed_rows = [&](const at::Tensor& rows, const Run& run) {
    const auto normed = backend_.norm(rows, norm);
    const auto gates = changed(normed, gate, run);
    return backend_.gate(gates, up != nullptr ? changed(normed, *up, run) : at::Tensor(), activation);
  };
  if (changes({&gate, up}) && whole_) {
    return changed_rows(x, runs_.front());
  }
  auto y = backend_.norm_linear_gate(x, norm, gate.weights(), up != nullptr ? up->weights() : ops::LinearWeights{},
                                     activation);
  if (changes({&gate, up})) {
    for (const auto& run : runs_) {
      y.narrow(0, run.first, run.count).copy_(changed_rows(x.narrow(0, run.first, run.count), run));
    }
  }
  return y;
}

at::Tensor Pass::norm_joined_linear_gate(const at::Tensor& x, const Norm& norm, const Linear& gate_up,
                                         ops::Activation activation) const {
  const auto gate_of = [&](const at::Tensor& joined) {
    const auto parts = joined.chunk(2, -1);
    return backend_.gate(parts[0], parts[1], activation);
  };
  if (at::GradMode::is_enabled()) {
    return gate_of(norm_linear(x, norm, {&gate_up}));
  }
  const auto weights = gate_up.weights();
  const auto half = gate_up.out_features() / 2;
  auto y =
      backend_.norm_linear_gate(x, norm.weights(), rows_of(weights, 0, half), rows_of(weights, half, half), activation);
  for (const auto& run : runs_) {
    if (run.adapter->find(gate_up) != nullptr) {
      const auto normed = backend_.norm(x.narrow(0, run.first, run.count), norm.weights());
      y.narrow(0, run.first, run.count).copy_(gate_of(changed(normed, gate_up, run)));
    }
  }
  return y;
}

at::Tensor Pass::attention(const at::Tensor& qkv, const ops::AttentionConfig& config, const ops::LayerSlot& slot,
                           std::optional<std::size_t> rotation) const {
  return backend_.attention(qkv, config, rotation ? rotations_[*rotation] : ops::RopeTable{}, batch_, slot);
}

}  // namespace dstorch::nn
