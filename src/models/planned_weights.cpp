#include "models/planned_weights.h"

#include "device/torch_types.h"
#include "models/checkpoint_weights.h"

namespace dstorch::models {
namespace {

int64_t numbers_in(at::IntArrayRef shape) {
  int64_t count = 1;
  for (const auto size : shape) {
    count *= size;
  }
  return count;
}

bool is_floating(DType dtype) {
  return dtype == DType::float32 || dtype == DType::bfloat16 || dtype == DType::float16 || dtype == DType::float64;
}

}  // namespace

PlannedWeights::PlannedWeights(std::shared_ptr<const Checkpoint> checkpoint, DType dtype, bool convert)
    : checkpoint_(std::move(checkpoint)), dtype_(dtype), convert_(convert) {
  if (checkpoint_) {
    names_.emplace(*checkpoint_);
  }
}

at::Tensor PlannedWeights::get(const std::string& name, at::IntArrayRef shape, bool transposed) {
  const auto count = numbers_in(shape);
  const auto* view = names_ ? names_->find(name) : nullptr;
  const bool as_stored = view != nullptr && !convert_ && view->numel() == count;
  bytes_ += as_stored ? static_cast<int64_t>(view->bytes()) : count * static_cast<int64_t>(size_of(dtype_));
  const bool as_numbers = as_stored && view->blocks == nullptr && is_floating(view->dtype);
  const auto options = at::TensorOptions(to_torch(as_numbers ? view->dtype : dtype_)).device(at::kMeta);
  return transposed ? at::empty({shape[1], shape[0]}, options).t() : at::empty(shape, options);
}

ops::Weight PlannedWeights::get_weight(const std::string& name, int64_t rows, int64_t columns) {
  const auto dense = get(name, {rows, columns}, false);
  const auto* view = names_ && !convert_ ? names_->find(name) : nullptr;
  if (view == nullptr || view->blocks == nullptr || columns % view->blocks->elements != 0) {
    return dense;
  }
  const auto* format = ops::find_weight_format(view->blocks->name);
  if (format == nullptr) {
    return dense;
  }
  const auto row_bytes = columns / view->blocks->elements * view->blocks->bytes;
  return {*format, at::empty({rows, row_bytes}, dense.options().dtype(at::kByte)), columns};
}

bool PlannedWeights::has(const std::string& name) const { return !names_ || names_->find(name) != nullptr; }

void PlannedWeights::names_begin_with(const std::string& body) {
  if (checkpoint_) {
    names_.emplace(*checkpoint_, body);
  }
}

nn::TiedPair PlannedWeights::tied_pair(const std::string& first, const std::string& second) {
  return names_ ? models::tied_pair(checkpoint_, *names_, first, second) : nn::TiedPair::same;
}

}  // namespace dstorch::models
