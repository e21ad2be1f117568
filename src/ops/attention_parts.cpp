#include "ops/attention_parts.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/throw.h"
#include "ops/cpu/q8.h"
#include "ops/norm.h"

namespace dstorch::ops {
namespace {

/// x [sequences, heads, length, head_dim], rotated by the angles of positions first .. first + length.
at::Tensor rotate(const at::Tensor& x, const RopeTable& rope, int64_t first) {
  if (!rope.cos.defined()) {
    return x;
  }
  const auto length = x.size(2);
  const auto half = rope.cos.size(1);
  const auto cos = rope.cos.narrow(0, first, length).to(x.scalar_type());  // [length, half]
  const auto sin = rope.sin.narrow(0, first, length).to(x.scalar_type());
  const auto low = x.narrow(-1, 0, half);
  const auto high = x.narrow(-1, half, half);
  auto parts = std::vector<at::Tensor>{low * cos - high * sin, high * cos + low * sin};
  if (2 * half < x.size(-1)) {
    parts.push_back(x.narrow(-1, 2 * half, x.size(-1) - 2 * half));
  }
  return at::cat(parts, -1);
}

/// The layer's part of the page that holds `position` of the span's sequence: [2, kv_heads, kPagePositions, page_row].
at::Tensor page_at(const Batch& batch, const Span& span, const LayerSlot& slot, int64_t position) {
  const auto& ids = span.pages.at(slot.group);
  const auto index = static_cast<std::size_t>(position / kPagePositions);
  require(index < ids.size() && ids[index] >= 0, ErrorKind::internal,
          "[attention] position {} must have a page, the span has {}", position, ids.size());
  return batch.groups->at(slot.group).pages.at(static_cast<std::size_t>(ids[index]))[slot.index];
}

/// Converts rows [.., head_dim] to what pages of `type` contain: [.., page_row].
at::Tensor stored(const at::Tensor& rows, at::ScalarType type) {
  if (type != kQ8Pages) {
    return rows;
  }
  if (rows.is_meta()) {  // LibTorch has no nan_to_num for it
    auto shape = rows.sizes().vec();
    shape.back() = page_row(type, rows.size(-1));
    return at::empty(shape, rows.options().dtype(type));
  }
  const auto numbers = rows.to(at::kFloat);
  const auto scale = (numbers.abs().amax(-1, true) * cpu::kQ8ScaleOfGreatest).to(at::kBFloat16);  // [.., 1]
  const auto units = at::nan_to_num(numbers / scale.to(at::kFloat), 0.0, 0.0, 0.0);
  const auto most = static_cast<double>(cpu::kQ8Most);
  return at::cat({units.round().clamp(-most, most).to(kQ8Pages), scale.view(kQ8Pages)}, -1);
}

/// The inverse: rows [.., page_row] of a page -> [.., head_dim].
at::Tensor numbers_of(const at::Tensor& rows, int64_t head_dim) {
  if (rows.scalar_type() != kQ8Pages) {
    return rows;
  }
  const auto scale = rows.narrow(-1, head_dim, cpu::kScaleBytes).contiguous().view(at::kBFloat16);  // [.., 1]
  return rows.narrow(-1, 0, head_dim).to(at::kFloat) * scale.to(at::kFloat);
}

}  // namespace

std::array<at::Tensor, 3> split_heads(const at::Tensor& qkv, const AttentionConfig& config, const RopeTable& rope,
                                      int64_t position) {
  const auto sequences = qkv.size(0);
  const auto length = qkv.size(1);
  const auto heads = config.num_heads;
  const auto kv_heads = config.num_kv_heads;
  const auto dim = config.head_dim;
  const auto parts = qkv.split_with_sizes({heads * dim, kv_heads * dim, kv_heads * dim}, -1);
  const auto q = norm_reference(parts[0].reshape({sequences, length, heads, dim}), config.query_norm).transpose(1, 2);
  const auto k = norm_reference(parts[1].reshape({sequences, length, kv_heads, dim}), config.key_norm).transpose(1, 2);
  const auto v = parts[2].reshape({sequences, length, kv_heads, dim}).transpose(1, 2);
  return {rotate(q, rope, position), rotate(k, rope, position), v};
}

void write_pages(const Batch& batch, const Span& span, const LayerSlot& slot, const at::Tensor& keys,
                 const at::Tensor& values) {
  for (int64_t done = 0; done < span.count;) {
    const auto position = span.position + done;
    const auto place = position % kPagePositions;
    const auto count = std::min(kPagePositions - place, span.count - done);
    const auto page = page_at(batch, span, slot, position);
    page[0].narrow(1, place, count).copy_(stored(keys.narrow(1, done, count), page.scalar_type()));
    page[1].narrow(1, place, count).copy_(stored(values.narrow(1, done, count), page.scalar_type()));
    done += count;
  }
}

PagedKeys read_pages(const Batch& batch, const Span& span, const LayerSlot& slot, int64_t window, int64_t head_dim) {
  const auto end = span.position + span.count;
  const auto seen = window > 0 ? std::max<int64_t>(span.position - window + 1, 0) : 0;
  PagedKeys result;
  result.first = seen / kPagePositions * kPagePositions;
  if (const auto page = page_at(batch, span, slot, result.first);
      page.is_meta() && end - result.first > kPagePositions) {
    // In a dry run one block stands for all pages, since concatenating thousands takes long even without memory.
    const auto shape = std::array{page.size(1), end - result.first, page.size(3)};
    result.keys = numbers_of(at::empty(shape, page.options()), head_dim);
    result.values = numbers_of(at::empty(shape, page.options()), head_dim);
    return result;
  }
  std::vector<at::Tensor> keys;
  std::vector<at::Tensor> values;
  for (auto position = result.first; position < end; position += kPagePositions) {
    const auto page = page_at(batch, span, slot, position);
    const auto count = std::min(kPagePositions, end - position);
    keys.push_back(page[0].narrow(1, 0, count));
    values.push_back(page[1].narrow(1, 0, count));
  }
  result.keys = numbers_of(keys.size() == 1 ? keys.front() : at::cat(keys, 1), head_dim);
  result.values = numbers_of(values.size() == 1 ? values.front() : at::cat(values, 1), head_dim);
  return result;
}

}  // namespace dstorch::ops
