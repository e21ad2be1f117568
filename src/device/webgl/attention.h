#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace dstorch::webgl {

/// Whether `attend` takes tensors like these: on the device, float32, the last dimension contiguous and everything in
/// multiples of four numbers, each within one storage block, heads of at most 256.
bool attention_takes(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& values);

/// The same of the sizes alone, for keys and values [kv_heads, positions, head_dim] as a cache has them: what the
/// memory plan goes by. Where there is no webgl, its blocks are taken to be large enough.
bool attention_takes(int64_t kv_heads, int64_t positions, int64_t head_dim);

/// Scores, causal softmax and values in one pass over the keys. queries [heads, seq, head_dim], the first at
/// `position`; keys and values [kv_heads, at least position + seq, head_dim]; each kv head serves heads / kv_heads
/// queries' heads. A query sees the last `window` positions up to its own (0: all). -> [seq, heads * head_dim]
at::Tensor attend(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& values, double scale,
                  int64_t position, int64_t window);

}  // namespace dstorch::webgl
