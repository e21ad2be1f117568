#include "ops/attention.h"

#include <array>
#include <limits>

#include "core/throw.h"
#include "device/webgl/attention.h"
#include "ops/cpu/attention.h"
#include "ops/cpu_views.h"
#include "ops/fast_path.h"
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

bool kernel_takes(const RopeTable& rope, int64_t head_dim, int64_t positions) {
  const auto fits = [&](const at::Tensor& table) {
    return table.device().is_cpu() && table.scalar_type() == at::kFloat && table.is_contiguous() && table.dim() == 2 &&
           table.size(0) >= positions && 2 * table.size(1) <= head_dim;
  };
  return !rope.cos.defined() || (fits(rope.cos) && fits(rope.sin) && rope.cos.sizes() == rope.sin.sizes());
}

bool kernel_takes(const LayerCache& cache, const AttentionConfig& config, int64_t positions) {
  const auto fits = [&](const at::Tensor& part) {
    return part.device().is_cpu() && kernel_takes_dtype(part.scalar_type()) && part.is_contiguous() &&
           part.dim() == 3 && part.size(0) == config.num_kv_heads && part.size(1) >= positions &&
           part.size(2) == config.head_dim;
  };
  return fits(cache.keys) && fits(cache.values) && cache.keys.sizes() == cache.values.sizes() &&
         cache.keys.scalar_type() == cache.values.scalar_type();
}

cpu::AttentionCall kernel_call(const at::Tensor& qkv, const AttentionConfig& config, const RopeTable& rope,
                               const at::Tensor& out) {
  const bool turns = rope.cos.defined();
  return {.qkv = qkv.data_ptr<float>(),
          .qkv_stride = qkv.size(-1),
          .heads = config.num_heads,
          .kv_heads = config.num_kv_heads,
          .head_dim = config.head_dim,
          .scale = static_cast<float>(config.scale),
          .window = config.sliding_window,
          .query_norm = view_of(config.query_norm),
          .key_norm = view_of(config.key_norm),
          .cos = turns ? rope.cos.data_ptr<float>() : nullptr,
          .sin = turns ? rope.sin.data_ptr<float>() : nullptr,
          .rotary_half = turns ? rope.cos.size(1) : 0,
          .out = out.data_ptr<float>(),
          .out_stride = out.size(-1)};
}

/// One sequence over its cache: qkv [1, seq, features], out [1, seq, num_heads * head_dim].
void run_kernel(cpu::AttentionCall call, const LayerCache& cache, int64_t position, int64_t seq) {
  // The cache is one piece: its pages lie one behind the other within each KV head.
  const auto count = (position + seq + cpu::kPagePositions - 1) / cpu::kPagePositions;
  const auto bytes = call.head_dim * cpu::kPagePositions * static_cast<int64_t>(cache.keys.element_size());
  std::vector<void*> pages(static_cast<std::size_t>(count));
  std::vector<int32_t> numbers(static_cast<std::size_t>(count));
  auto* keys = static_cast<std::byte*>(cache.keys.data_ptr());
  for (int64_t i = 0; i < count; ++i) {
    pages[static_cast<std::size_t>(i)] = keys + i * bytes;
    numbers[static_cast<std::size_t>(i)] = static_cast<int32_t>(i);
  }
  const cpu::AttentionSpan span{.count = seq, .position = position, .pages = numbers.data()};
  call.spans = {&span, 1};
  call.pages = pages.data();
  call.head_stride = cache.keys.stride(0);
  call.values_offset = reinterpret_cast<intptr_t>(cache.values.data_ptr()) - reinterpret_cast<intptr_t>(keys);
  call.cache_dtype = dtype_of(cache.keys.scalar_type());
  cpu::attention(call);
}

/// Whole sequences: qkv [batch, seq, features], out [batch, seq, num_heads * head_dim].
void run_kernel(cpu::AttentionCall call, int64_t batch, int64_t seq) {
  std::vector<cpu::AttentionSpan> spans;
  for (int64_t i = 0; i < batch; ++i) {
    spans.push_back({.first = i * seq, .count = seq});
  }
  call.spans = spans;
  cpu::attention(call);
}

}  // namespace

namespace {

/// Queries, keys and values [batch, their heads, seq, head_dim], normed and rotated.
std::array<at::Tensor, 3> split_heads(const at::Tensor& qkv, const AttentionConfig& config, const RopeTable& rope,
                                      int64_t position) {
  const auto batch = qkv.size(0);
  const auto seq = qkv.size(1);
  const auto heads = config.num_heads;
  const auto kv_heads = config.num_kv_heads;
  const auto dim = config.head_dim;
  const auto parts = qkv.split_with_sizes({heads * dim, kv_heads * dim, kv_heads * dim}, -1);
  const auto q = norm_reference(parts[0].reshape({batch, seq, heads, dim}), config.query_norm).transpose(1, 2);
  const auto k = norm_reference(parts[1].reshape({batch, seq, kv_heads, dim}), config.key_norm).transpose(1, 2);
  const auto v = parts[2].reshape({batch, seq, kv_heads, dim}).transpose(1, 2);
  return {rotate(q, rope, position), rotate(k, rope, position), v};
}

/// The fast path of the webgl device: its shader for what follows the rotation. Undefined where that does not apply.
at::Tensor attention_on_webgl(const at::Tensor& qkv, const AttentionConfig& config, const RopeTable& rope,
                              LayerCache* cache, int64_t position) {
  const bool may = !at::GradMode::is_enabled() && cache != nullptr && qkv.dim() == 3 && qkv.size(0) == 1 &&
                   qkv.device().type() == c10::DeviceType::PrivateUse1;
  if (!may || !webgl::attention_takes(cache->keys, cache->keys, cache->values)) {
    return {};
  }
  const auto seq = qkv.size(1);
  const auto [q, k, v] = split_heads(qkv, config, rope, position);
  const auto queries = q.squeeze(0).contiguous();
  if (!webgl::attention_takes(queries, cache->keys, cache->values)) {
    return {};
  }
  cache->keys.narrow(1, position, seq).copy_(k.squeeze(0));
  cache->values.narrow(1, position, seq).copy_(v.squeeze(0));
  return webgl::attend(queries, cache->keys, cache->values, config.scale, position, config.sliding_window).unsqueeze(0);
}

}  // namespace

at::Tensor attention_reference(const at::Tensor& qkv, const AttentionConfig& config, const RopeTable& rope,
                               LayerCache* cache, int64_t position) {
  const auto batch = qkv.size(0);
  const auto seq = qkv.size(1);
  const auto heads = config.num_heads;
  const auto kv_heads = config.num_kv_heads;
  const auto dim = config.head_dim;
  auto [q, k, v] = split_heads(qkv, config, rope, position);
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
  const auto dim = config.head_dim;
  const auto end = position + qkv.size(1);
  const bool fast = fast_path_allowed(qkv) && qkv.dim() == 3 && qkv.numel() > 0 &&
                    qkv.size(2) == (config.num_heads + 2 * config.num_kv_heads) * dim && config.scale > 0 &&
                    position >= 0 && kernel_takes(rope, dim, end) && kernel_takes(config.query_norm, dim) &&
                    kernel_takes(config.key_norm, dim) &&
                    (cache == nullptr ? position == 0 : qkv.size(0) == 1 && kernel_takes(*cache, config, end));
  if (!fast) {
    const auto out = attention_on_webgl(qkv, config, rope, cache, position);
    return out.defined() ? out : attention_reference(qkv, config, rope, cache, position);
  }
  const auto input = qkv.contiguous();
  auto out = empty_rows(input, config.num_heads * dim);
  const auto call = kernel_call(input, config, rope, out);
  if (cache != nullptr) {
    run_kernel(call, *cache, position, input.size(1));
  } else {
    run_kernel(call, input.size(0), input.size(1));
  }
  return out;
}

}  // namespace dstorch::ops
