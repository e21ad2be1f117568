#include "train/optimizer.h"

#include "core/torch_compat.h"
#include "device/memory_account.h"
#include "train/parallel.h"

namespace dstorch::training {
namespace {

using StateMap = std::decay_t<decltype(std::declval<torch::optim::AdamW>().state())>;

}  // namespace

Optimizer::Optimizer(const Parameters& parameters, const AdamWSettings& settings) {
  torch::optim::AdamWOptions options(0.0);
  options.betas({settings.beta1, settings.beta2}).eps(settings.eps);
  for (const auto& [name, parameter] : parameters) {
    parameters_.push_back(parameter);
    options.weight_decay(parameter.dim() >= 2 ? settings.weight_decay : 0.0);
    each_.push_back(std::make_unique<torch::optim::AdamW>(std::vector<at::Tensor>{parameter}, options));
  }
}

const torch::optim::AdamWParamState* Optimizer::moments(std::size_t place) const {
  const auto& state = each_[place]->state();
  const auto it = state.find(compat::optimizer_state_key<StateMap>(parameters_[place]));
  return it == state.end() ? nullptr : static_cast<const torch::optim::AdamWParamState*>(it->second.get());
}

void Optimizer::set_moments(std::size_t place, std::unique_ptr<torch::optim::AdamWParamState> moments) {
  each_[place]->state()[compat::optimizer_state_key<StateMap>(parameters_[place])] = std::move(moments);
}

void Optimizer::make_moments(bool only_with_gradients) {
  const MemoryScope scope(MemoryKind::optimizer);
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const auto& parameter = parameters_[i];
    if (moments(i) != nullptr || (only_with_gradients && !parameter.grad().defined())) {
      continue;
    }
    auto made = std::make_unique<torch::optim::AdamWParamState>();
    made->step(0);
    made->exp_avg(at::zeros_like(parameter, at::MemoryFormat::Preserve));
    made->exp_avg_sq(at::zeros_like(parameter, at::MemoryFormat::Preserve));
    set_moments(i, std::move(made));
  }
}

void Optimizer::step(double learning_rate) {
  make_moments();
  const auto update = [&](int64_t place) {
    auto& optimizer = *each_[static_cast<std::size_t>(place)];
    optimizer.param_groups().front().options().set_lr(learning_rate);
    optimizer.step();
  };
  const bool on_cpu = parameters_.empty() || parameters_.front().is_cpu();
  if (on_cpu) {
    for_each_part(std::ssize(each_), MemoryScope::current().kind, update);
    return;
  }
  for (int64_t place = 0; place < std::ssize(each_); ++place) {  // a device's own threads do the work
    update(place);
  }
}

}  // namespace dstorch::training
