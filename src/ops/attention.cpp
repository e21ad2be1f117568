#include "ops/attention.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/throw.h"
#include "ops/cpu/attention.h"
#include "ops/cpu_views.h"
#include "ops/fast_path.h"

namespace dstorch::ops {
namespace {

bool kernel_takes(const RopeTable& rope, int64_t head_dim, int64_t positions) {
  const auto fits = [&](const at::Tensor& table) {
    return is_for_cpu(table) && table.scalar_type() == at::kFloat && table.is_contiguous() && table.dim() == 2 &&
           table.size(0) >= positions && 2 * table.size(1) <= head_dim;
  };
  return !rope.cos.defined() || (fits(rope.cos) && fits(rope.sin) && rope.cos.sizes() == rope.sin.sizes());
}

/// The pages' dtype; float32 where no span has any.
at::ScalarType page_dtype(const Batch& batch, const Span& span, const LayerSlot& slot) {
  const auto& ids = span.pages[slot.group];
  return batch.groups->at(slot.group).pages.at(static_cast<std::size_t>(ids.back())).scalar_type();
}

/// What the kernel is called with of one layer's pages.
struct PagesView {
  bool fits = true;
  void* const* addresses = nullptr;
  int64_t layer_offset = 0;
  at::ScalarType dtype = at::kFloat;
};

PagesView view_pages(const Batch& batch, const AttentionConfig& config, const LayerSlot& slot) {
  PagesView view;
  for (const auto& span : batch.spans) {
    if (span.pages.empty()) {
      view.fits = view.fits && span.position == 0;
      continue;
    }
    const auto& ids = span.pages.at(slot.group);
    const auto needed = (span.position + span.count + kPagePositions - 1) / kPagePositions;
    require(static_cast<int64_t>(ids.size()) >= needed && ids[static_cast<std::size_t>(needed - 1)] >= 0,
            ErrorKind::internal, "[attention] {} positions must have {} pages, the span has {}",
            span.position + span.count, needed, ids.size());
    view.dtype = page_dtype(batch, span, slot);
    view.addresses = batch.groups->at(slot.group).addresses.data();
  }
  view.layer_offset = slot.index * 2 * config.num_kv_heads * kPagePositions * page_row(view.dtype, config.head_dim) *
                      static_cast<int64_t>(at::elementSize(view.dtype));
  view.fits = view.fits && (kernel_takes_dtype(view.dtype) || view.dtype == kQ8Pages);
  return view;
}

int64_t last_position(const Batch& batch) {
  int64_t end = 0;
  for (const auto& span : batch.spans) {
    end = std::max(end, span.position + span.count);
  }
  return end;
}

}  // namespace

at::Tensor attention(const at::Tensor& qkv, const AttentionConfig& config, const RopeTable& rope, const Batch& batch,
                     const LayerSlot& slot) {
  const auto dim = config.head_dim;
  const bool may = fast_path_allowed(qkv) && qkv.dim() == 2 && qkv.numel() > 0 &&
                   qkv.size(1) == (config.num_heads + 2 * config.num_kv_heads) * dim && config.scale > 0 &&
                   kernel_takes(rope, dim, last_position(batch)) && kernel_takes(config.query_norm, dim) &&
                   kernel_takes(config.key_norm, dim);
  const auto pages = may ? view_pages(batch, config, slot) : PagesView{.fits = false};
  if (!pages.fits) {
    return attention_reference(qkv, config, rope, batch, slot);
  }
  const auto input = qkv.contiguous();
  auto out = empty_rows(input, config.num_heads * dim);
  if (out.is_meta()) {
    return out;
  }
  c10::SmallVector<cpu::AttentionSpan, 16> spans;
  for (const auto& span : batch.spans) {
    spans.push_back({.first = span.first,
                     .count = span.count,
                     .position = span.position,
                     .pages = span.pages.empty() ? nullptr : span.pages[slot.group].data()});
  }
  const bool turns = rope.cos.defined();
  cpu::attention({.qkv = input.data_ptr<float>(),
                  .qkv_stride = input.size(1),
                  .spans = {spans.data(), spans.size()},
                  .heads = config.num_heads,
                  .kv_heads = config.num_kv_heads,
                  .head_dim = dim,
                  .scale = static_cast<float>(config.scale),
                  .cap = static_cast<float>(config.cap),
                  .window = config.sliding_window,
                  .query_norm = view_of(config.query_norm),
                  .key_norm = view_of(config.key_norm),
                  .cos = turns ? rope.cos.data_ptr<float>() : nullptr,
                  .sin = turns ? rope.sin.data_ptr<float>() : nullptr,
                  .rotary_half = turns ? rope.cos.size(1) : 0,
                  .pages = pages.addresses,
                  .layer_offset = pages.layer_offset,
                  .cache_dtype = from_torch(pages.dtype),
                  .out = out.data_ptr<float>(),
                  .out_stride = out.size(1)});
  return out;
}

}  // namespace dstorch::ops
