#include "nn/layers.h"

namespace dstorch::nn {

Linear::Linear(const WeightScope& scope, int64_t in, int64_t out, bool bias)
    : weight_(register_parameter("weight", scope.get("weight", {out, in}), scope.trainable())) {
  if (bias) {
    bias_ = register_parameter("bias", scope.get("bias", {out}), scope.trainable());
  }
}

Conv1D::Conv1D(const WeightScope& scope, int64_t in, int64_t out)
    : weight_(register_parameter("weight", scope.get("weight", {in, out}, /*transposed=*/true), scope.trainable())),
      bias_(register_parameter("bias", scope.get("bias", {out}), scope.trainable())) {}

Norm::Norm(const WeightScope& scope, ops::NormKind kind, int64_t features, double eps)
    : kind_(kind),
      eps_(eps),
      weight_(register_parameter("weight", scope.get("weight", {features}), scope.trainable())) {
  if (kind == ops::NormKind::layer) {
    bias_ = register_parameter("bias", scope.get("bias", {features}), scope.trainable());
  }
}

Embedding::Embedding(const WeightScope& scope, int64_t count, int64_t features)
    : weight_(register_parameter("weight", scope.get("weight", {count, features}), scope.trainable())) {}

at::Tensor Embedding::forward(const at::Tensor& indices) const {
  const auto rows = at::embedding(weight_, indices);  // [.., features]
  return rows.to(rows.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
}

}  // namespace dstorch::nn
