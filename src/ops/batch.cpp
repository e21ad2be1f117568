#include "ops/batch.h"

#include <ATen/ATen.h>

namespace dstorch::ops {

int64_t page_row(at::ScalarType type, int64_t head_dim) {
  return cpu::page_row(type == kQ8Pages ? DType::int8 : DType::float32, head_dim);
}

Batch Batch::of_sequences(const at::Tensor& tokens) {
  const auto count = tokens.size(0);
  const auto length = tokens.size(1);
  Batch batch;
  batch.tokens = tokens.reshape({-1});
  for (int64_t i = 0; i < count; ++i) {
    batch.spans.push_back({.first = i * length, .count = length});
  }
  return batch;
}

Batch Batch::of_rows(int64_t count, const nn::Adapter* adapter) {
  Batch batch;
  batch.spans.push_back({.first = 0, .count = count, .adapter = adapter == nullptr ? -1 : 0});
  if (adapter != nullptr) {
    batch.adapters.push_back(adapter);
  }
  return batch;
}

at::Tensor Batch::positions() const {
  std::vector<at::Tensor> parts;
  parts.reserve(spans.size());
  for (const auto& span : spans) {
    parts.push_back(at::arange(span.position, span.position + span.count, tokens.options()));
  }
  return parts.size() == 1 ? parts.front() : at::cat(parts);
}

int64_t Batch::common_length() const {
  if (spans.empty()) {
    return 0;
  }
  const auto length = spans.front().count;
  for (const auto& span : spans) {
    if (span.count != length || span.position != 0 || !span.pages.empty()) {
      return 0;
    }
  }
  return length;
}

}  // namespace dstorch::ops
