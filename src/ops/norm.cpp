#include "ops/norm.h"

#include "core/throw.h"
#include "ops/cpu/linear.h"
#include "ops/cpu_views.h"
#include "ops/dry_forms.h"
#include "ops/fast_path.h"

namespace dstorch::ops {
namespace {

/// The factors of the normed numbers. With an offset they are computed in float32 at least: adding 1 in bfloat16 would
/// round away most of the weight.
at::Tensor factors_of(const NormWeights& norm) {
  if (norm.offset == 0) {
    return norm.weight;
  }
  return (norm.weight.scalar_type() == at::kDouble ? norm.weight : norm.weight.to(at::kFloat)) + norm.offset;
}

}  // namespace

at::Tensor norm_reference(const at::Tensor& x, const NormWeights& norm) {
  if (norm.kind == NormKind::none) {
    return x;
  }
  const auto dtype = x.scalar_type();
  auto y = x.to(at::kFloat);
  if (norm.kind == NormKind::rms) {
    // A sum, as `mean` keeps its whole input for the gradient in LibTorch 1.13.
    const auto mean = y.square().sum(-1, /*keepdim=*/true) / y.size(-1);  // [.., 1]
    y = y * at::rsqrt(mean + norm.eps);
    // The product with the weight is taken in the model's dtype, as the reference implementations do.
    return factors_of(norm) * y.to(dtype);
  }
  const auto weight = factors_of(norm).to(at::kFloat);
  const auto bias = norm.bias.defined() ? norm.bias.to(at::kFloat) : at::Tensor();
  y = y.is_meta() ? dry_layer_norm(y, weight, bias) : at::layer_norm(y, {x.size(-1)}, weight, bias, norm.eps);
  return y.to(dtype);
}

at::Tensor norm(const at::Tensor& x, const NormWeights& norm) {
  if (norm.kind == NormKind::none || !fast_path_allowed(x) || !kernel_takes(norm, x.size(-1))) {
    return norm_reference(x, norm);
  }
  const auto input = x.contiguous();
  auto y = at::empty_like(input);
  if (y.is_meta()) {
    return y;
  }
  cpu::norm(rows_of(input), view_of(norm), y.data_ptr<float>(), x.size(-1));
  return y;
}

}  // namespace dstorch::ops
