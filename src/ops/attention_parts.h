#pragma once

// What the composed forms of attention have in common.

#include <array>

#include "ops/batch.h"
#include "ops/types.h"

namespace dstorch::ops {

/// Queries, keys and values [sequences, their heads, length, head_dim] of qkv [sequences, length, features], normed
/// and rotated; the first rows are at `position`.
std::array<at::Tensor, 3> split_heads(const at::Tensor& qkv, const AttentionConfig& config, const RopeTable& rope,
                                      int64_t position);

/// Writes keys and values [kv_heads, span.count, head_dim] to the span's pages.
void write_pages(const Batch& batch, const Span& span, const LayerSlot& slot, const at::Tensor& keys,
                 const at::Tensor& values);

/// The keys and values in a span's pages from position `first` on, a multiple of the page size at or before the first
/// position that the span's first query sees.
struct PagedKeys {
  int64_t first = 0;
  at::Tensor keys;    // [kv_heads, positions, head_dim]
  at::Tensor values;  // [kv_heads, positions, head_dim]
};
PagedKeys read_pages(const Batch& batch, const Span& span, const LayerSlot& slot, int64_t window, int64_t head_dim);

}  // namespace dstorch::ops
