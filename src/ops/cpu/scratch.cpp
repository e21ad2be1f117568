#include "ops/cpu/scratch.h"

#include <new>

namespace dstorch::ops::cpu {
namespace {

constexpr std::align_val_t kAlignment{64};
constexpr std::size_t kKeptFloats = std::size_t{8} << 20;

}  // namespace

Scratch& Scratch::of_this_thread() {
  thread_local Scratch scratch;
  return scratch;
}

float* Scratch::floats(std::size_t count) {
  if (count > capacity_) {
    data_.reset();
    capacity_ = 0;
    data_.reset(static_cast<float*>(::operator new[](count * sizeof(float), kAlignment)));
    capacity_ = count;
  }
  return data_.get();
}

void Scratch::trim() noexcept {
  if (capacity_ > kKeptFloats) {
    data_.reset();
    capacity_ = 0;
  }
}

void Scratch::Free::operator()(float* data) const noexcept { ::operator delete[](data, kAlignment); }

}  // namespace dstorch::ops::cpu
