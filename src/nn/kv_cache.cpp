#include "nn/kv_cache.h"

#include "device/memory_account.h"

namespace dstorch::nn {

KvCache::KvCache(int64_t layers, int64_t kv_heads, int64_t head_dim, int64_t capacity, at::TensorOptions options)
    : SequenceState(capacity) {
  const MemoryScope scope(MemoryKind::kv_cache);
  layers_.reserve(static_cast<std::size_t>(layers));
  for (int64_t i = 0; i < layers; ++i) {
    layers_.push_back(
        {at::empty({kv_heads, capacity, head_dim}, options), at::empty({kv_heads, capacity, head_dim}, options)});
  }
}

}  // namespace dstorch::nn
