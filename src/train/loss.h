#pragma once

#include <ATen/ATen.h>

namespace dstorch::training {

/// Mean cross-entropy in nats: logits float [batch, seq, vocab], targets int64 [batch, seq] -> float [].
/// Differentiable.
at::Tensor next_token_loss(const at::Tensor& logits, const at::Tensor& targets);

}  // namespace dstorch::training
