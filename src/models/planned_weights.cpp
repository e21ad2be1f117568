#include "models/planned_weights.h"

#include <fmt/core.h>

#include <algorithm>

#include "models/checkpoint_weights.h"

namespace dstorch::models {

PlannedWeights::PlannedWeights(std::shared_ptr<const Checkpoint> checkpoint, DType dtype, bool convert)
    : checkpoint_(std::move(checkpoint)), dtype_(dtype), convert_(convert) {
  if (checkpoint_) {
    names_.emplace(*checkpoint_);
  }
}

at::Tensor PlannedWeights::get(const std::string& name, at::IntArrayRef shape, bool transposed) {
  int64_t count = 1;
  for (const auto size : shape) {
    count *= size;
  }
  const auto* view = names_ ? names_->find(name) : nullptr;
  bytes_ += view != nullptr && !convert_ && view->numel() == count ? static_cast<int64_t>(view->bytes())
                                                                   : count * static_cast<int64_t>(size_of(dtype_));
  count_ += count;
  largest_ = std::max(largest_, count);
  largest_transposed_ = transposed ? std::max(largest_transposed_, count) : largest_transposed_;
  counts_[name] = count;
  auto tensor = at::empty(shape, at::TensorOptions().device(at::kMeta));
  return transposed ? at::empty({shape[1], shape[0]}, tensor.options()).t() : tensor;
}

bool PlannedWeights::has(const std::string& name) const { return !names_ || names_->find(name) != nullptr; }

nn::TiedPair PlannedWeights::tied_pair(const std::string& first, const std::string& second) {
  return names_ ? models::tied_pair(checkpoint_, *names_, first, second) : nn::TiedPair::same;
}

int64_t PlannedWeights::block_count(int64_t block) const {
  const auto part = fmt::format(".{}.", block);
  int64_t count = 0;
  for (const auto& [name, size] : counts_) {
    count += name.find(part) != std::string::npos ? size : 0;
  }
  return count;
}

}  // namespace dstorch::models
