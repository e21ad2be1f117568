#pragma once

#include "ops/types.h"

namespace dstorch::ops {

/// Causal self-attention with grouped queries (Ainslie et al. 2023) from the joined projections:
/// qkv [batch, seq, (num_heads + 2 * num_kv_heads) * head_dim] -> [batch, seq, num_heads * head_dim].
///
/// Queries and keys are normed (where the config says) and rotated in halves (dimension i with i + rotary_dim / 2, as
/// Hugging Face stores Llama weights) by the row of `rope` of their position. The first row of qkv is at `position`.
///
/// With `cache` (batch must be 1, no gradient): keys and values are written to it at position .. position + seq, and
/// queries see all of 0 .. their own position. Without: the sequence is all there is, `position` must be 0.
/// Fast path: CPU, float32 qkv, a cache of float32, bfloat16 or float16. Each query row's result depends only on its
/// own position and the cache, not on how the prompt was cut into chunks. On the webgl device with a float32 cache one
/// shader does all after the rotation.
at::Tensor attention(const at::Tensor& qkv, const AttentionConfig& config, const RopeTable& rope, LayerCache* cache,
                     int64_t position);

at::Tensor attention_reference(const at::Tensor& qkv, const AttentionConfig& config, const RopeTable& rope,
                               LayerCache* cache, int64_t position);

}  // namespace dstorch::ops
