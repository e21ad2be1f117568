#include "models/decoder.h"

#include <algorithm>
#include <array>

#include "models/classes.h"

namespace dstorch::models {
namespace {

/// One more than the largest position in the batch.
int64_t end_of(const ops::Batch& batch) {
  int64_t end = 0;
  for (const auto& span : batch.spans) {
    end = std::max(end, span.position + span.count);
  }
  return end;
}

}  // namespace

Decoder::Decoder(DecoderConfig config, nn::WeightSource& weights, const BlockFactory& make_block,
                 std::vector<std::unique_ptr<nn::Rope>> ropes)
    : config_(std::move(config)),
      parts_{config_.body, config_.body + "." + config_.token_table, config_.head, config_.residual_layers,
             1 - config_.norm_offset},
      ropes_(std::move(ropes)) {
  auto& sizes = config_.sizes;
  weights.names_begin_with(config_.body);
  for (const auto& ending : config_.unused) {
    weights.leave_out_ending(ending);
  }
  const nn::WeightScope all(weights);
  const auto scope = all / config_.body;
  if (sizes.num_classes > 0) {
    weights.leave_out(config_.head + ".weight");
    sizes.tied = false;
    config_.head = kClassHead;
    config_.logit_cap = 0;  // these are of tokens, not of classes
    config_.logit_divisor = 1;
  }
  const auto pair =
      sizes.tied ? weights.tied_pair(config_.body + "." + config_.token_table + ".weight", config_.head + ".weight")
                 : nn::TiedPair::same;
  sizes.tied = sizes.tied && pair != nn::TiedPair::different;
  const auto body = register_module(config_.body, std::make_shared<torch::nn::Module>());
  const auto table = [&](const std::string& name, const nn::WeightScope& stored, int64_t count) {
    return body->register_module(name, std::make_shared<nn::Embedding>(stored, count, sizes.hidden_size));
  };
  tokens_ = table(config_.token_table, pair == nn::TiedPair::second ? all / config_.head : scope / config_.token_table,
                  sizes.vocab_size);
  if (config_.position_table) {
    positions_ = table(config_.positions, scope / config_.positions, sizes.max_positions);
  }
  const auto list = body->register_module(config_.layers, std::make_shared<torch::nn::Module>());
  kv_layout_.kv_heads = sizes.num_kv_heads;
  kv_layout_.head_dim = sizes.head_dim;
  for (int64_t i = 0; i < sizes.num_layers; ++i) {
    blocks_.push_back(list->register_module(std::to_string(i), make_block(scope / config_.layers / i, i)));
    slots_.push_back(kv_layout_.add_layer(blocks_.back()->window()));
  }
  norm_ = body->register_module(
      config_.final_norm, std::make_shared<nn::Norm>(scope / config_.final_norm, config_.norm_kind, sizes.hidden_size,
                                                     config_.norm_eps, config_.norm_offset));
  if (!sizes.tied) {
    head_ = register_module(config_.head, std::make_shared<nn::Linear>(all / config_.head, sizes.hidden_size,
                                                                       sizes.head_size(), /*bias=*/false));
  }
}

nn::TableMemory Decoder::tables(int64_t positions) const {
  nn::TableMemory all;
  int64_t growing = 0;
  for (const auto& rope : ropes_) {
    const auto one = rope->memory(positions);
    all.kept += one.kept;
    growing = std::max(growing, one.peak - one.kept);
  }
  all.peak = all.kept + growing;  // one grows after the other
  return all;
}

at::Tensor Decoder::embed(const ops::Batch& batch) {
  auto x = nn::Pass(batch, ops::backend_of(batch.tokens.device())).embedding(*tokens_);  // [rows, hidden]
  if (config_.embedding_scale != 1) {
    const auto scale =
        config_.embedding_scale_is_weight ? tokens_->rounded(config_.embedding_scale) : config_.embedding_scale;
    x = x.requires_grad() ? x * scale : x.mul_(scale);
  }
  if (!positions_) {
    return x;
  }
  if (const auto length = batch.common_length(); length > 0) {
    // Looked up once for all sequences, so that a row of the table gets one gradient however many sequences there are.
    const auto rows = positions_->forward(at::arange(length, batch.tokens.options()));
    return (x.view({-1, length, x.size(1)}) + rows).view_as(x);
  }
  return x + positions_->forward(batch.positions());
}

nn::Pass Decoder::pass(const ops::Batch& batch) {
  nn::Pass::Rotations rotations;
  for (const auto& rope : ropes_) {
    rotations.push_back(rope->table(end_of(batch)));
  }
  return {batch, ops::backend_of(batch.tokens.device()), std::move(rotations)};
}

at::Tensor Decoder::block(int64_t index, at::Tensor x, const ops::Batch& batch) {
  const auto place = static_cast<std::size_t>(index);
  return blocks_[place]->forward(std::move(x), pass(batch), slots_[place]);
}

at::Tensor Decoder::hidden(const ops::Batch& batch) {
  const auto& backend = ops::backend_of(batch.tokens.device());
  const auto held = backend.hold != nullptr ? backend.hold() : nullptr;
  const auto pass = this->pass(batch);
  auto x = embed(batch);
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    if (batch.abandoned && batch.abandoned()) {
      return {};
    }
    x = blocks_[i]->forward(std::move(x), pass, slots_[i]);
  }
  return x;
}

at::Tensor Decoder::final_norm(const at::Tensor& hidden) {
  return ops::backend_of(hidden.device()).norm(hidden, norm_->weights());
}

at::Tensor Decoder::logits_of(const at::Tensor& hidden, const ops::Batch& rows) {
  if (!head_ || rows.adapters.empty()) {
    return logits(hidden);
  }
  return finished(nn::Pass(rows, ops::backend_of(hidden.device())).norm_linear(hidden, *norm_, {head_.get()}));
}

at::Tensor Decoder::logits(const at::Tensor& hidden) {
  const std::array<ops::LinearWeights, 1> head{head_ ? head_->weights() : tokens_->as_head()};
  return finished(ops::backend_of(hidden.device()).norm_linear(hidden, norm_->weights(), head));
}

at::Tensor Decoder::finished(at::Tensor logits) const {
  const bool in_place = !at::GradMode::is_enabled();
  if (const auto divisor = config_.logit_divisor; divisor != 1) {
    logits = in_place ? logits.div_(divisor) : logits / divisor;
  }
  if (const auto cap = config_.logit_cap; cap > 0) {
    logits = in_place ? logits.div_(cap).tanh_().mul_(cap) : at::tanh(logits / cap) * cap;
  }
  return logits;
}

}  // namespace dstorch::models
