#include <ATen/ATen.h>

#include "device/webgl/attention.h"
#include "ops/attention.h"
#include "ops/attention_parts.h"

namespace dstorch::ops {
namespace {

/// One span through the shader: qkv [count, features] -> [count, heads * head_dim]. Undefined where it takes no such
/// tensors.
at::Tensor attend_span_webgl(const at::Tensor& qkv, const AttentionConfig& config, const RopeTable& rope,
                             const Batch& batch, const Span& span, const LayerSlot& slot) {
  const auto [q, k, v] = split_heads(qkv.unsqueeze(0), config, rope, span.position);
  const auto queries = q.squeeze(0).contiguous();
  write_pages(batch, span, slot, k.squeeze(0), v.squeeze(0));
  const auto paged = read_pages(batch, span, slot, config.sliding_window, config.head_dim);
  if (queries.is_meta()) {
    const auto& keys = paged.keys;
    const bool takes = keys.scalar_type() == at::kFloat && queries.scalar_type() == at::kFloat &&
                       webgl::attention_takes(keys.size(0), keys.size(1), keys.size(2));
    return takes ? at::empty({queries.size(1), queries.size(0) * queries.size(2)}, queries.options()) : at::Tensor();
  }
  if (!webgl::attention_takes(queries, paged.keys, paged.values)) {
    return {};
  }
  return webgl::attend(queries, paged.keys, paged.values, config.scale, span.position - paged.first,
                       config.sliding_window);
}

}  // namespace

at::Tensor attention_webgl(const at::Tensor& qkv, const AttentionConfig& config, const RopeTable& rope,
                           const Batch& batch, const LayerSlot& slot) {
  if (at::GradMode::is_enabled() || config.cap > 0) {
    return attention_reference(qkv, config, rope, batch, slot);
  }
  std::vector<at::Tensor> outputs;
  for (const auto& span : batch.spans) {
    const auto out = span.pages.empty()
                         ? at::Tensor()
                         : attend_span_webgl(qkv.narrow(0, span.first, span.count), config, rope, batch, span, slot);
    if (!out.defined()) {
      return attention_reference(qkv, config, rope, batch, slot);
    }
    outputs.push_back(out);
  }
  return outputs.size() == 1 ? outputs.front() : at::cat(outputs, 0);
}

}  // namespace dstorch::ops
