#include "device/memory_budget.h"

#include <algorithm>
#include <utility>

namespace dstorch {

MemoryBudget::Reservation::Reservation(Reservation&& other) noexcept
    : budget_(std::exchange(other.budget_, nullptr)), need_(other.need_) {}

MemoryBudget::Reservation::~Reservation() {
  if (budget_ != nullptr) {
    budget_->release(need_);
  }
}

int64_t MemoryBudget::committed_with(const Need& need) const {
  const auto turn = std::max(need.turn, turns_.empty() ? 0 : *turns_.rbegin());
  return fixed_ + own_ + need.own + turn + std::max(kept_, need.kept);
}

MemoryBudget::Reservation MemoryBudget::reserve(const Need& need) {
  const std::lock_guard lock(mutex_);
  if (committed_with(need) > limit_) {
    return {};
  }
  own_ += need.own;
  kept_ = std::max(kept_, need.kept);
  turns_.insert(need.turn);
  return {this, need};
}

void MemoryBudget::release(const Need& need) {
  const std::lock_guard lock(mutex_);
  own_ -= need.own;
  turns_.erase(turns_.find(need.turn));
}

int64_t MemoryBudget::committed() const {
  const std::lock_guard lock(mutex_);
  return committed_with({});
}

}  // namespace dstorch
