#include "train/loss.h"

namespace dstorch::training {

at::Tensor next_token_loss(const at::Tensor& logits, const at::Tensor& targets) {
  // Of float32 at least; under autocast logits are bfloat16.
  const auto wide = logits.scalar_type() == at::kDouble ? logits : logits.to(at::kFloat);
  return at::cross_entropy_loss(wide.flatten(0, 1), targets.flatten());
}

}  // namespace dstorch::training
