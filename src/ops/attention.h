#pragma once

#include "ops/batch.h"
#include "ops/types.h"

namespace dstorch::ops {

/// Causal self-attention with grouped queries (Ainslie et al. 2023) from the joined projections of a batch:
/// qkv [rows, (num_heads + 2 * num_kv_heads) * head_dim] -> [rows, num_heads * head_dim].
///
/// Queries and keys are normed (where the config says) and rotated in halves (dimension i with i + rotary_dim / 2, as
/// Hugging Face stores Llama weights) by the row of `rope` of their position.
///
/// The keys and values of a span with pages are written to those at `slot`, and its queries see all of the sequence up
/// to their own position (or the window's part of it). A span without pages sees its own rows; only those may ask for
/// gradients.
///
/// Fast path: CPU, no gradient, float32 qkv, pages of float32, bfloat16, float16 or q8. A row's result depends on its
/// own position and its sequence alone, not on how the prompt was cut or on what else is in the batch.
at::Tensor attention(const at::Tensor& qkv, const AttentionConfig& config, const RopeTable& rope, const Batch& batch,
                     const LayerSlot& slot);

/// The composed form, on any device.
at::Tensor attention_reference(const at::Tensor& qkv, const AttentionConfig& config, const RopeTable& rope,
                               const Batch& batch, const LayerSlot& slot);

/// On webgl: after the rotation one shader computes all of it where it can read the pages; elsewhere the composed form.
at::Tensor attention_webgl(const at::Tensor& qkv, const AttentionConfig& config, const RopeTable& rope,
                           const Batch& batch, const LayerSlot& slot);

}  // namespace dstorch::ops
