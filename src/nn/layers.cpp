#include "nn/layers.h"

namespace dstorch::nn {

Linear::Linear(const WeightScope& scope, int64_t in, int64_t out, bool bias, Layout layout)
    : in_(in), out_(out), layout_(layout) {
  weight_ = layout == Layout::out_in ? scope.get_weight("weight", out, in)
                                     : ops::Weight(scope.get("weight", {in, out}, /*transposed=*/true));
  register_parameter("weight", weight_.data, scope.trainable());
  if (bias) {
    bias_ = register_parameter("bias", scope.get("bias", {out}), scope.trainable());
  }
}

ops::LinearWeights Linear::weights() const {
  return {layout_ == Layout::out_in ? weight_ : ops::Weight(weight_.data.t()), bias_};
}

Norm::Norm(const WeightScope& scope, ops::NormKind kind, int64_t features, double eps, double offset)
    : kind_(kind),
      eps_(eps),
      offset_(offset),
      weight_(register_parameter("weight", scope.get("weight", {features}), scope.trainable())) {
  if (kind == ops::NormKind::layer) {
    bias_ = register_parameter("bias", scope.get("bias", {features}), scope.trainable());
  }
}

Embedding::Embedding(const WeightScope& scope, int64_t count, int64_t features)
    : weight_(scope.get_weight("weight", count, features)) {
  register_parameter("weight", weight_.data, scope.trainable());
}

double Embedding::rounded(double number) const {
  return weight_.format == nullptr ? at::scalar_tensor(number, weight_.data.scalar_type()).item<double>() : number;
}

}  // namespace dstorch::nn
