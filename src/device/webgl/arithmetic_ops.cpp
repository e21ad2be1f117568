// LibTorch's ops that are computed element by element.
#include <ATen/ExpandUtils.h>

#include <array>
#include <cmath>
#include <limits>

#include "device/webgl/backend.h"
#include "device/webgl/expressions.h"
#include "device/webgl/fallback.h"

namespace dstorch::webgl {
namespace {

using at::Scalar;
using at::Tensor;

Tensor number(const Scalar& value) { return at::scalar_tensor(value, at::TensorOptions().dtype(value.type())); }

template <typename Op, const Expression& expression>
Tensor& unary(const Tensor& self, Tensor& out) {
  if (!elementwise_takes(out, {self})) {
    return fallback<Op>(self, out);
  }
  resize_out(out, self.sizes());
  elementwise(expression, out, {self});
  return out;
}

template <typename Op, const Expression& expression>
Tensor& binary(const Tensor& self, const Tensor& other, Tensor& out) {
  if (!elementwise_takes(out, {self, other})) {
    return fallback<Op>(self, other, out);
  }
  resize_out(out, at::infer_size(self.sizes(), other.sizes()));
  elementwise(expression, out, {self, other});
  return out;
}

template <typename Op, const Expression& expression>
Tensor& with_number(const Tensor& self, const Scalar& other, Tensor& out) {
  if (!elementwise_takes(out, {self})) {
    return fallback<Op>(self, other, out);
  }
  resize_out(out, self.sizes());
  elementwise(expression, out, {self, number(other)});
  return out;
}

template <typename Op, int sign>
Tensor& add_or_sub(const Tensor& self, const Tensor& other, const Scalar& alpha, Tensor& out) {
  if (!elementwise_takes(out, {self, other})) {
    return fallback<Op>(self, other, alpha, out);
  }
  resize_out(out, at::infer_size(self.sizes(), other.sizes()));
  const double scale = sign * alpha.to<double>();
  elementwise(scale == 1 ? kAdd : kAddScaled, out, {self, other}, {.p = scale});
  return out;
}

Tensor& pow_scalar(const Tensor& self, const Scalar& exponent, Tensor& out) {
  if (!elementwise_takes(out, {self})) {
    return fallback<at::_ops::pow_Tensor_Scalar_out>(self, exponent, out);
  }
  resize_out(out, self.sizes());
  const double power = exponent.to<double>();
  if (power == 1 || power == 2 || power == 3) {
    elementwise(power == 1 ? kCopy : power == 2 ? kSquare : kCube, out, {self});
  } else if (power == 0.5 || power == -0.5 || power == -1) {
    elementwise(power == -1 ? kReciprocal : power > 0 ? kSqrt : kRsqrt, out, {self});
  } else {
    elementwise(kPower, out, {self, number(exponent)});
  }
  return out;
}

Tensor& gelu(const Tensor& self, c10::string_view approximate, Tensor& out) {
  if (!elementwise_takes(out, {self})) {
    return fallback<at::_ops::gelu_out>(self, approximate, out);
  }
  resize_out(out, self.sizes());
  elementwise(approximate == "tanh" ? kGeluTanh : kGelu, out, {self});
  return out;
}

Tensor& gelu_backward(const Tensor& grad, const Tensor& self, c10::string_view approximate, Tensor& out) {
  if (!elementwise_takes(out, {grad, self})) {
    return fallback<at::_ops::gelu_backward_grad_input>(grad, self, approximate, out);
  }
  resize_out(out, self.sizes());
  elementwise(approximate == "tanh" ? kGeluTanhBackward : kGeluBackward, out, {grad, self});
  return out;
}

Tensor& threshold_backward(const Tensor& grad, const Tensor& self, const Scalar& threshold, Tensor& out) {
  if (!elementwise_takes(out, {grad, self})) {
    return fallback<at::_ops::threshold_backward_grad_input>(grad, self, threshold, out);
  }
  resize_out(out, self.sizes());
  elementwise(kThresholdBackward, out, {grad, self}, {.p = threshold.to<double>()});
  return out;
}

Tensor relu(const Tensor& self) {
  if (!shader_takes(self)) {
    return fallback<at::_ops::relu>(self);
  }
  auto out = empty(self.sizes(), self.scalar_type());
  elementwise(kRelu, out, {self});
  return out;
}

Tensor& relu_in_place(Tensor& self) {
  if (!shader_takes(self)) {
    return fallback<at::_ops::relu_>(self);
  }
  elementwise(kRelu, self, {self});
  return self;
}

/// LibTorch composes it of other ops where a device has only the form with an output.
Tensor silu_backward(const Tensor& grad, const Tensor& self) {
  auto out = empty(self.sizes(), self.scalar_type());
  if (!elementwise_takes(out, {grad, self})) {
    return fallback<at::_ops::silu_backward>(grad, self);
  }
  elementwise(kSiluBackward, out, {grad, self});
  return out;
}

Tensor& fill_scalar(Tensor& self, const Scalar& value) {
  if (!shader_takes(self) || value.isComplex()) {
    return fallback<at::_ops::fill__Scalar>(self, value);
  }
  elementwise(kFill, self, {}, {.p = value.to<double>()});
  return self;
}

Tensor& fill_tensor(Tensor& self, const Tensor& value) {
  if (!elementwise_takes(self, {value})) {
    return fallback<at::_ops::fill__Tensor>(self, value);
  }
  elementwise(kCopy, self, {value});
  return self;
}

Tensor& zero(Tensor& self) {
  if (!shader_takes(self)) {
    // Zero is the same bits in every dtype.
    copy_from(at::zeros({}, self.options().device(at::kCPU)), self, false);
    return self;
  }
  return fill_scalar(self, 0);
}

Tensor where(const Tensor& condition, const Tensor& self, const Tensor& other) {
  const auto sizes = at::infer_size(at::infer_size(condition.sizes(), self.sizes()), other.sizes());
  auto out = empty(sizes, at::result_type(self, other));
  if (!elementwise_takes(out, {condition, self, other})) {
    return fallback<at::_ops::where_self>(condition, self, other);
  }
  elementwise(kWhere, out, {condition, self, other});
  return out;
}

Tensor& masked_fill_scalar(Tensor& self, const Tensor& mask, const Scalar& value) {
  if (!elementwise_takes(self, {mask})) {
    return fallback<at::_ops::masked_fill__Scalar>(self, mask, value);
  }
  elementwise(kMaskedFill, self, {self, mask}, {.p = value.to<double>()});
  return self;
}

Tensor& masked_fill_tensor(Tensor& self, const Tensor& mask, const Tensor& value) {
  if (!elementwise_takes(self, {mask, value})) {
    return fallback<at::_ops::masked_fill__Tensor>(self, mask, value);
  }
  elementwise(kWhere, self, {mask, value, self});
  return self;
}

Tensor& clamp_between(const Tensor& self, double low, double high, Tensor& out) {
  resize_out(out, self.sizes());
  elementwise(kClamp, out, {self}, {.p = low, .q = high});
  return out;
}

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// What stands for no bound: infinity has no integer.
double no_bound(const Tensor& self, int sign) {
  return at::isFloatingType(self.scalar_type()) ? sign * kInfinity : sign * 2147483520.0;
}

Tensor& clamp(const Tensor& self, const c10::optional<Scalar>& low, const c10::optional<Scalar>& high, Tensor& out) {
  if (!elementwise_takes(out, {self})) {
    return fallback<at::_ops::clamp_out>(self, low, high, out);
  }
  return clamp_between(self, low ? low->to<double>() : no_bound(self, -1),
                       high ? high->to<double>() : no_bound(self, 1), out);
}

Tensor& clamp_min(const Tensor& self, const Scalar& low, Tensor& out) {
  if (!elementwise_takes(out, {self})) {
    return fallback<at::_ops::clamp_min_out>(self, low, out);
  }
  return clamp_between(self, low.to<double>(), no_bound(self, 1), out);
}

Tensor& clamp_max(const Tensor& self, const Scalar& high, Tensor& out) {
  if (!elementwise_takes(out, {self})) {
    return fallback<at::_ops::clamp_max_out>(self, high, out);
  }
  return clamp_between(self, no_bound(self, -1), high.to<double>(), out);
}

template <typename Op, const Expression& expression>
Tensor& addc(const Tensor& self, const Tensor& first, const Tensor& second, const Scalar& value, Tensor& out) {
  if (!elementwise_takes(out, {self, first, second})) {
    return fallback<Op>(self, first, second, value, out);
  }
  resize_out(out, at::infer_size(at::infer_size(self.sizes(), first.sizes()), second.sizes()));
  elementwise(expression, out, {self, first, second}, {.p = value.to<double>()});
  return out;
}

Tensor& lerp_scalar(const Tensor& self, const Tensor& end, const Scalar& weight, Tensor& out) {
  if (!elementwise_takes(out, {self, end})) {
    return fallback<at::_ops::lerp_Scalar_out>(self, end, weight, out);
  }
  resize_out(out, at::infer_size(self.sizes(), end.sizes()));
  elementwise(kLerp, out, {self, end}, {.p = weight.to<double>()});
  return out;
}

Tensor& arange(const Scalar& start, const Scalar& end, const Scalar& step, Tensor& out) {
  // Numbers above 2^24 are not exact in the shader's arithmetic.
  constexpr double exact = 1 << 24;
  const double first = start.to<double>();
  const double by = step.to<double>();
  const double count = std::ceil((end.to<double>() - first) / by);
  if (!shader_takes(out) || !(count >= 0) || std::abs(first) + std::abs(by) * count >= exact) {
    return fallback<at::_ops::arange_start_out>(start, end, step, out);
  }
  resize_out(out, {static_cast<int64_t>(count)});
  elementwise(kArange, out, {}, {.p = first, .q = by});
  return out;
}

}  // namespace

void register_arithmetic_ops(torch::Library& library) {
  namespace ops = at::_ops;
#define UNARY(op, expression) library.impl(#op ".out", TORCH_FN((unary<ops::op##_out, expression>)))
  UNARY(neg, kNeg);
  UNARY(abs, kAbs);
  UNARY(sign, kSign);
  UNARY(exp, kExp);
  UNARY(log, kLog);
  UNARY(sqrt, kSqrt);
  UNARY(rsqrt, kRsqrt);
  UNARY(reciprocal, kReciprocal);
  UNARY(cos, kCos);
  UNARY(sin, kSin);
  UNARY(tanh, kTanhOp);
  UNARY(erf, kErfOp);
  UNARY(sigmoid, kSigmoidOp);
  UNARY(silu, kSilu);
  UNARY(floor, kFloor);
  UNARY(logical_not, kLogicalNot);
#undef UNARY
#define BINARY(op, expression) library.impl(#op ".out", TORCH_FN((binary<ops::op##_out, expression>)))
  BINARY(mul, kMul);
  BINARY(div, kDiv);
  BINARY(maximum, kMaximum);
  BINARY(minimum, kMinimum);
  BINARY(logical_and, kLogicalAnd);
  BINARY(logical_or, kLogicalOr);
#undef BINARY
#define COMPARISON(op, expression)                                                       \
  library.impl(#op ".Tensor_out", TORCH_FN((binary<ops::op##_Tensor_out, expression>))); \
  library.impl(#op ".Scalar_out", TORCH_FN((with_number<ops::op##_Scalar_out, expression>)))
  COMPARISON(eq, kEq);
  COMPARISON(ne, kNe);
  COMPARISON(lt, kLt);
  COMPARISON(le, kLe);
  COMPARISON(gt, kGt);
  COMPARISON(ge, kGe);
#undef COMPARISON
  library.impl("bitwise_and.Tensor_out", TORCH_FN((binary<ops::bitwise_and_Tensor_out, kBitAnd>)));
  library.impl("bitwise_or.Tensor_out", TORCH_FN((binary<ops::bitwise_or_Tensor_out, kBitOr>)));
  library.impl("add.out", TORCH_FN((add_or_sub<ops::add_out, 1>)));
  library.impl("sub.out", TORCH_FN((add_or_sub<ops::sub_out, -1>)));
  library.impl("pow.Tensor_Scalar_out", TORCH_FN(pow_scalar));
  library.impl("pow.Tensor_Tensor_out", TORCH_FN((binary<ops::pow_Tensor_Tensor_out, kPower>)));
  library.impl("gelu.out", TORCH_FN(gelu));
  library.impl("gelu_backward.grad_input", TORCH_FN(gelu_backward));
  library.impl("silu_backward.grad_input", TORCH_FN((binary<ops::silu_backward_grad_input, kSiluBackward>)));
  library.impl("silu_backward", TORCH_FN(silu_backward));
  library.impl("sigmoid_backward.grad_input", TORCH_FN((binary<ops::sigmoid_backward_grad_input, kSigmoidBackward>)));
  library.impl("tanh_backward.grad_input", TORCH_FN((binary<ops::tanh_backward_grad_input, kTanhBackward>)));
  library.impl("threshold_backward.grad_input", TORCH_FN(threshold_backward));
  library.impl("relu", TORCH_FN(relu));
  library.impl("relu_", TORCH_FN(relu_in_place));
  library.impl("fill_.Scalar", TORCH_FN(fill_scalar));
  library.impl("fill_.Tensor", TORCH_FN(fill_tensor));
  library.impl("zero_", TORCH_FN(zero));
  library.impl("where.self", TORCH_FN(where));
  library.impl("masked_fill_.Scalar", TORCH_FN(masked_fill_scalar));
  library.impl("masked_fill_.Tensor", TORCH_FN(masked_fill_tensor));
  library.impl("clamp.out", TORCH_FN(clamp));
  library.impl("clamp_min.out", TORCH_FN(clamp_min));
  library.impl("clamp_max.out", TORCH_FN(clamp_max));
  library.impl("addcmul.out", TORCH_FN((addc<ops::addcmul_out, kAddcmul>)));
  library.impl("addcdiv.out", TORCH_FN((addc<ops::addcdiv_out, kAddcdiv>)));
  library.impl("lerp.Scalar_out", TORCH_FN(lerp_scalar));
  library.impl("arange.start_out", TORCH_FN(arange));
}

}  // namespace dstorch::webgl
