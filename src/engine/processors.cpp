#include "engine/processors.h"

#include "core/throw.h"

namespace dstorch::engine {

Processors::Processors(const GenerationOptions& options) : options_(options) {}

void Processors::add_prompt(std::span<const int64_t> tokens) {
  for (const auto token : tokens) {
    ++prompt_[token];
  }
}

void Processors::apply(std::span<float> logits) const {
  // A TorchScript archive does not say how large its vocabulary is until it returns logits.
  const auto logit_of = [&](int64_t token) -> float& {
    require(token < std::ssize(logits), ErrorKind::invalid_argument, "token ids must be between 0 and {}, got {}",
            std::ssize(logits) - 1, token);
    return logits[static_cast<std::size_t>(token)];
  };
  if (options_.repetition_penalty != 1) {
    const auto penalty = static_cast<float>(options_.repetition_penalty);
    const auto apply = [&](int64_t token) {
      auto& logit = logit_of(token);
      logit = logit > 0 ? logit / penalty : logit * penalty;
    };
    for (const auto& [token, count] : prompt_) {
      apply(token);
    }
    for (const auto& [token, count] : generated_) {
      if (!prompt_.contains(token)) {
        apply(token);
      }
    }
  }
  if (options_.frequency_penalty != 0 || options_.presence_penalty != 0) {
    for (const auto& [token, count] : generated_) {
      logit_of(token) -=
          static_cast<float>(options_.frequency_penalty * static_cast<double>(count) + options_.presence_penalty);
    }
  }
  for (const auto& [token, bias] : options_.logit_bias) {
    logit_of(token) += static_cast<float>(bias);
  }
  if (constraint_) {
    constraint_->apply(logits);
  }
}

void Processors::accept(int64_t token) {
  ++generated_[token];
  if (constraint_) {
    constraint_->accept(token);
  }
}

}  // namespace dstorch::engine
