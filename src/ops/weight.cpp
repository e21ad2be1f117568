#include "ops/weight.h"

#include <ATen/ATen.h>

#include <mutex>
#include <vector>

#include "core/throw.h"
#include "ops/dry_forms.h"

namespace dstorch::ops {
namespace {

std::mutex formats_mutex;

std::vector<const WeightFormat*>& formats() {
  static std::vector<const WeightFormat*> list;
  return list;
}

const WeightFormat* find_locked(std::string_view name) {
  for (const auto* format : formats()) {
    if (format->blocks.name == name) {
      return format;
    }
  }
  return nullptr;
}

}  // namespace

void add_weight_format(const WeightFormat& format) {
  const std::lock_guard lock(formats_mutex);
  require(find_locked(format.blocks.name) == nullptr, ErrorKind::invalid_argument,
          "a weight format's name must be new, \"{}\" is there already", format.blocks.name);
  formats().push_back(&format);
}

const WeightFormat* find_weight_format(std::string_view name) {
  const std::lock_guard lock(formats_mutex);
  return find_locked(name);
}

Weight::Weight(at::Tensor dense) : data(std::move(dense)) {
  if (data.defined()) {
    rows = data.size(0);
    columns = data.size(1);
  }
}

Weight::Weight(const WeightFormat& its_format, at::Tensor blocks, int64_t its_columns)
    : format(&its_format), data(std::move(blocks)), rows(data.size(0)), columns(its_columns) {}

at::Tensor Weight::dense(at::ScalarType dtype) const {
  if (format != nullptr && data.is_meta()) {
    return at::empty({rows, columns}, data.options().dtype(dtype));
  }
  return format == nullptr ? data.to(dtype) : format->dequantize(*this, dtype);
}

at::Tensor Weight::rows_at(const at::Tensor& indices) const {
  if (format == nullptr) {
    const auto picked = data.is_meta() ? dry_rows(data, indices) : at::embedding(data, indices);  // [.., columns]
    return picked.to(picked.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
  }
  Weight picked = *this;
  picked.data = ops::rows_at(data, indices.flatten());
  picked.scales = scales.defined() ? ops::rows_at(scales, indices.flatten()) : scales;
  picked.rows = picked.data.size(0);
  auto sizes = indices.sizes().vec();
  sizes.push_back(columns);
  return picked.dense(at::kFloat).view(sizes);
}

at::Tensor rows_at(const at::Tensor& matrix, const at::Tensor& indices) {
  return matrix.is_meta() ? dry_rows(matrix, indices) : matrix.index_select(0, indices);
}

}  // namespace dstorch::ops
