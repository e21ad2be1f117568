#pragma once

#include <span>

#include "ops/cpu/types.h"

namespace dstorch::ops::cpu {

/// New rows of one sequence.
struct AttentionSpan {
  int64_t first = 0;     // its first row of qkv and of out
  int64_t count = 0;     // rows
  int64_t position = 0;  // of the first row
  /// The sequence's page of each kPagePositions positions, from 0 to that of the last row. Pages that all rows of the
  /// span have left behind their window are never looked at, whatever stands for them (-1). Null: the span is a whole
  /// sequence that nobody goes on with; position is 0, its keys and values stay float32 and are forgotten.
  const int32_t* pages = nullptr;
};

/// Causal attention of the spans' rows, each over its own sequence, to which the rows' keys and values are added first.
/// Rows of qkv hold the queries of all heads, then the keys, then the values: (heads + 2 * kv_heads) * head_dim.
///
/// A page holds the keys and the values of kPagePositions positions, [kv_heads, kPagePositions, page_row] each. Those
/// of new rows are written to; spans of a call share pages only where none of them writes.
struct AttentionCall {
  const float* qkv = nullptr;
  int64_t qkv_stride = 0;
  std::span<const AttentionSpan> spans;
  int64_t heads = 0;
  int64_t kv_heads = 0;  // divides heads
  int64_t head_dim = 0;
  float scale = 1;     // above 0
  float cap = 0;       // scores x become cap * tanh(x / cap); 0: they stay
  int64_t window = 0;  // positions seen, itself included; 0: all
  Norm query_norm;     // over head_dim, before the rotation
  Norm key_norm;
  const float* cos = nullptr;  // [positions, rotary_dim / 2], or null: no rotation
  const float* sin = nullptr;
  int64_t rotary_half = 0;
  void* const* pages = nullptr;        // where each page begins, by its number; null where no span has pages
  int64_t layer_offset = 0;            // bytes from there to this layer's keys
  int64_t head_stride = 0;             // elements from one KV head to the next; 0: kPagePositions * page_row
  int64_t values_offset = 0;           // bytes from the keys to the values; 0: kv_heads * head_stride elements
  DType cache_dtype = DType::float32;  // of pages; int8 is q8
  float* out = nullptr;                // rows of heads * head_dim
  int64_t out_stride = 0;
};
void attention(const AttentionCall& call);

}  // namespace dstorch::ops::cpu
