#pragma once

#include "ops/cpu/types.h"

namespace dstorch::ops::cpu {

/// Causal attention of new positions over a cache, to which their keys and values are added first. Rows of qkv hold the
/// queries of all heads, then the keys, then the values: (heads + 2 * kv_heads) * head_dim.
struct AttentionCall {
  const float* qkv = nullptr;
  int64_t qkv_stride = 0;
  int64_t count = 0;     // new positions
  int64_t position = 0;  // of the first of them
  int64_t heads = 0;
  int64_t kv_heads = 0;  // divides heads
  int64_t head_dim = 0;
  float scale = 1;     // above 0
  int64_t window = 0;  // positions seen, itself included; 0: all
  Norm query_norm;     // over head_dim, before the rotation
  Norm key_norm;
  const float* cos = nullptr;  // [positions, rotary_dim / 2], or null: no rotation
  const float* sin = nullptr;
  int64_t rotary_half = 0;
  void* keys = nullptr;  // [kv_heads, capacity, head_dim] of cache_dtype
  void* values = nullptr;
  DType cache_dtype = DType::float32;
  int64_t cache_stride = 0;  // from one KV head to the next: capacity * head_dim
  float* out = nullptr;      // [count, heads * head_dim]
};
void attention(const AttentionCall& call);

}  // namespace dstorch::ops::cpu
