#include "train/gradient_sum.h"

#include <ATen/ATen.h>

#include <atomic>
#include <numeric>

#include "device/memory_account.h"
#include "train/parallel.h"

namespace dstorch::training {
namespace {

/// As the parameter lies in memory, as optimizers and files want it.
at::Tensor like(const at::Tensor& parameter, const at::Tensor& gradient) {
  if (gradient.strides() == parameter.strides()) {
    return gradient;
  }
  return at::empty_like(parameter, at::MemoryFormat::Preserve).copy_(gradient);
}

}  // namespace

GradientSum::GradientSum(const Parameters& parameters, int64_t parts) : given_(static_cast<std::size_t>(parts), 0) {
  for (const auto& [name, parameter] : parameters) {
    parameters_.push_back(parameter);
  }
}

void GradientSum::add(int64_t part, int64_t stage, const std::vector<at::Tensor>& gradients) {
  const auto place = static_cast<std::size_t>(part);
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return abandoned_ || part == 0 || given_[place - 1] > stage; });
    if (abandoned_) {
      return;
    }
  }
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (!gradients[i].defined()) {
      continue;
    }
    auto& sum = parameters_[i].mutable_grad();
    if (sum.defined()) {
      sum.add_(gradients[i]);
    } else {
      sum = like(parameters_[i], gradients[i]);
      retag(sum, MemoryKind::gradients);
    }
  }
  const std::lock_guard lock(mutex_);
  given_[place] = stage + 1;
  changed_.notify_all();
}

void GradientSum::abandon() noexcept {
  const std::lock_guard lock(mutex_);
  abandoned_ = true;
  changed_.notify_all();
}

double learn_parts(const Parameters& parameters, int64_t count,
                   const std::function<double(int64_t part, GradientSum& sum)>& learn) {
  GradientSum sum(parameters, count);
  std::vector<double> losses(static_cast<std::size_t>(count));
  std::atomic<int64_t> begun{0};
  for_each_part(count, MemoryKind::activations, [&](int64_t /*call*/) {
    const auto part = begun.fetch_add(1);  // they begin in order, whoever takes them
    try {
      const BackwardMemoryScope backward(MemoryKind::activations);
      losses[static_cast<std::size_t>(part)] = learn(part, sum);
    } catch (...) {
      sum.abandon();
      throw;
    }
  });
  return std::accumulate(losses.begin(), losses.end(), 0.0);
}

}  // namespace dstorch::training
