#include "ops/attention.h"

#include <limits>

#include "core/throw.h"
#include "ops/norm.h"

namespace dstorch::ops {
namespace {

/// x [batch, heads, seq, head_dim], rotated by the angles of positions first .. first + seq.
at::Tensor rotate(const at::Tensor& x, const RopeTable& rope, int64_t first) {
  if (!rope.cos.defined()) {
    return x;
  }
  const auto seq = x.size(2);
  const auto half = rope.cos.size(1);
  const auto cos = rope.cos.narrow(0, first, seq).to(x.scalar_type());  // [seq, half]
  const auto sin = rope.sin.narrow(0, first, seq).to(x.scalar_type());
  const auto low = x.narrow(-1, 0, half);
  const auto high = x.narrow(-1, half, half);
  auto parts = std::vector<at::Tensor>{low * cos - high * sin, high * cos + low * sin};
  if (2 * half < x.size(-1)) {
    parts.push_back(x.narrow(-1, 2 * half, x.size(-1) - 2 * half));
  }
  return at::cat(parts, -1);
}

/// Additive mask [seq, keys]: 0 where query row i (at position + i) may see key j, -inf elsewhere.
at::Tensor causal_mask(int64_t position, int64_t seq, int64_t keys, int64_t window, const at::TensorOptions& options) {
  const auto query = at::arange(position, position + seq, options.dtype(at::kLong)).unsqueeze(1);
  const auto key = at::arange(keys, options.dtype(at::kLong)).unsqueeze(0);
  auto hidden = key > query;
  if (window > 0) {
    hidden = hidden.logical_or(key <= query - window);
  }
  return at::zeros({seq, keys}, options).masked_fill_(hidden, -std::numeric_limits<double>::infinity());
}

}  // namespace

at::Tensor attention_reference(const at::Tensor& qkv, const AttentionConfig& config, const RopeTable& rope,
                               LayerCache* cache, int64_t position) {
  const auto batch = qkv.size(0);
  const auto seq = qkv.size(1);
  const auto heads = config.num_heads;
  const auto kv_heads = config.num_kv_heads;
  const auto dim = config.head_dim;
  const auto parts = qkv.split_with_sizes({heads * dim, kv_heads * dim, kv_heads * dim}, -1);
  auto q = norm_reference(parts[0].reshape({batch, seq, heads, dim}), config.query_norm).transpose(1, 2);
  auto k = norm_reference(parts[1].reshape({batch, seq, kv_heads, dim}), config.key_norm).transpose(1, 2);
  auto v = parts[2].reshape({batch, seq, kv_heads, dim}).transpose(1, 2);  // [batch, kv_heads, seq, head_dim]
  q = rotate(q, rope, position);
  k = rotate(k, rope, position);
  if (cache != nullptr) {
    require(batch == 1, ErrorKind::internal, "[attention] batch must be 1 with a cache, got {}", batch);
    cache->keys.narrow(1, position, seq).copy_(k.squeeze(0));
    cache->values.narrow(1, position, seq).copy_(v.squeeze(0));
    k = cache->keys.narrow(1, 0, position + seq).unsqueeze(0).to(q.scalar_type());
    v = cache->values.narrow(1, 0, position + seq).unsqueeze(0).to(q.scalar_type());
  }
  // The query heads of one KV head become rows of one product: no copy of keys and values.
  const auto keys = k.size(2);
  const auto group = heads / kv_heads;
  const auto grouped = q.reshape({batch * kv_heads, group * seq, dim});
  auto scores = at::matmul(grouped, k.reshape({batch * kv_heads, keys, dim}).transpose(1, 2)) * config.scale;
  const auto mask = causal_mask(position, seq, keys, config.sliding_window, scores.options());
  scores = scores.view({batch * kv_heads, group, seq, keys}) + mask;
  const auto probabilities = at::softmax(scores, -1, at::kFloat).to(q.scalar_type());
  const auto mixed = at::matmul(probabilities.view({batch * kv_heads, group * seq, keys}),
                                v.reshape({batch * kv_heads, keys, dim}));  // [batch * kv_heads, group * seq, head_dim]
  return mixed.view({batch, heads, seq, dim}).transpose(1, 2).reshape({batch, seq, heads * dim});
}

at::Tensor attention(const at::Tensor& qkv, const AttentionConfig& config, const RopeTable& rope, LayerCache* cache,
                     int64_t position) {
  return attention_reference(qkv, config, rope, cache, position);
}

}  // namespace dstorch::ops
