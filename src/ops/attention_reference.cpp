#include <ATen/ATen.h>

#include <limits>

#include "core/throw.h"
#include "ops/attention.h"
#include "ops/attention_parts.h"
#include "ops/fast_path.h"

namespace dstorch::ops {
namespace {

/// Additive mask [queries, keys]: 0 where query i (at position + i) may see key j (at first + j), -inf elsewhere.
at::Tensor causal_mask(int64_t position, int64_t queries, int64_t first, int64_t keys, int64_t window,
                       const at::TensorOptions& options) {
  const auto query = at::arange(position, position + queries, options.dtype(at::kLong)).unsqueeze(1);
  const auto key = at::arange(first, first + keys, options.dtype(at::kLong)).unsqueeze(0);
  auto hidden = key > query;
  if (window > 0) {
    hidden = hidden | (key <= query - window);
  }
  return at::zeros({queries, keys}, options).masked_fill_(hidden, -std::numeric_limits<double>::infinity());
}

at::Tensor product(const at::Tensor& a, const at::Tensor& b) {
  const auto dtype = product_dtype(a);
  return at::matmul(a.to(dtype), b.to(dtype));
}

/// q [sequences, heads, queries, head_dim], the first at `position`, over keys and values
/// [sequences, kv_heads, keys, head_dim], the first at `first` -> [sequences, queries, heads * head_dim].
at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionConfig& config,
                  int64_t position, int64_t first) {
  const auto sequences = q.size(0);
  const auto heads = config.num_heads;
  const auto kv_heads = config.num_kv_heads;
  const auto dim = config.head_dim;
  const auto length = q.size(2);
  const auto keys = k.size(2);
  // The query heads of one KV head become rows of one product: no copy of keys and values.
  const auto group = heads / kv_heads;
  const auto grouped = q.reshape({sequences * kv_heads, group * length, dim});
  auto scores = product(grouped, k.reshape({sequences * kv_heads, keys, dim}).transpose(1, 2));
  if (config.cap > 0) {
    scores = scores * (config.scale / config.cap);
    scores = at::tanh(scores);
    scores = scores * config.cap;
  } else {
    scores = scores * config.scale;
  }
  const auto mask = causal_mask(position, length, first, keys, config.sliding_window, scores.options());
  scores = scores.view({sequences * kv_heads, group, length, keys}) + mask;
  const auto probabilities = at::softmax(scores, -1, at::kFloat).to(q.scalar_type());
  const auto mixed =
      product(probabilities.view({sequences * kv_heads, group * length, keys}),
              v.reshape({sequences * kv_heads, keys, dim}));  // [sequences * kv_heads, group * length, head_dim]
  return mixed.view({sequences, heads, length, dim}).transpose(1, 2).reshape({sequences, length, heads * dim});
}

/// One span: qkv [1, count, features] -> [count, heads * head_dim].
at::Tensor attend_span(const at::Tensor& qkv, const AttentionConfig& config, const RopeTable& rope, const Batch& batch,
                       const Span& span, const LayerSlot& slot) {
  const auto [q, k, v] = split_heads(qkv, config, rope, span.position);
  if (span.pages.empty()) {
    return attend(q, k, v, config, 0, 0).squeeze(0);
  }
  write_pages(batch, span, slot, k.squeeze(0), v.squeeze(0));
  const auto paged = read_pages(batch, span, slot, config.sliding_window, config.head_dim);
  return attend(q, paged.keys.unsqueeze(0).to(q.scalar_type()), paged.values.unsqueeze(0).to(q.scalar_type()), config,
                span.position, paged.first)
      .squeeze(0);
}

}  // namespace

at::Tensor attention_reference(const at::Tensor& qkv, const AttentionConfig& config, const RopeTable& rope,
                               const Batch& batch, const LayerSlot& slot) {
  if (const auto length = batch.common_length(); length > 0) {
    const auto sequences = static_cast<int64_t>(batch.spans.size());
    const auto [q, k, v] = split_heads(qkv.view({sequences, length, qkv.size(-1)}), config, rope, 0);
    return attend(q, k, v, config, 0, 0).view({sequences * length, config.num_heads * config.head_dim});
  }
  std::vector<at::Tensor> outputs;
  for (const auto& span : batch.spans) {
    outputs.push_back(attend_span(qkv.narrow(0, span.first, span.count).unsqueeze(0), config, rope, batch, span, slot));
  }
  return outputs.size() == 1 ? outputs.front() : at::cat(outputs, 0);
}

}  // namespace dstorch::ops
