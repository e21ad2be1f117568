// Activation functions on vectors. Included once per target.
#if defined(DSTORCH_OPS_CPU_ACTIVATION_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef DSTORCH_OPS_CPU_ACTIVATION_INL_H
#undef DSTORCH_OPS_CPU_ACTIVATION_INL_H
#else
#define DSTORCH_OPS_CPU_ACTIVATION_INL_H
#endif

#include "ops/cpu/vec-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dstorch::ops::cpu::HWY_NAMESPACE {
namespace {

/// x / (1 + e^-s).
HWY_INLINE V times_sigmoid(V x, V s) {
  const auto one = hn::Set(DF(), 1.0f);
  const auto power = exp(hn::Min(hn::Neg(s), hn::Set(DF(), 88.0f)));
  return hn::Div(x, hn::Add(one, power));
}

/// The integral of the standard normal density up to x, to about 4e-7 of itself where that is above 1e-30. With
/// z = |x| / sqrt(2), erfc(z) e^(z^2) / t is a polynomial of t = 1 / (1 + 0.47 z), fitted over 0 <= z <= 10.
HWY_INLINE V normal_cdf(V x) {
  const DF d;
  const auto one = hn::Set(d, 1.0f);
  const auto z = hn::Mul(hn::Abs(x), hn::Set(d, 0.707106781f));
  const auto t = hn::Div(one, hn::MulAdd(z, hn::Set(d, 0.47f), one));
  auto p = hn::Set(d, -0.0456069112f);
  p = hn::MulAdd(p, t, hn::Set(d, 0.260920972f));
  p = hn::MulAdd(p, t, hn::Set(d, -0.550708890f));
  p = hn::MulAdd(p, t, hn::Set(d, 0.452105254f));
  p = hn::MulAdd(p, t, hn::Set(d, -0.115171768f));
  p = hn::MulAdd(p, t, hn::Set(d, 0.243389726f));
  p = hn::MulAdd(p, t, hn::Set(d, 0.223505065f));
  p = hn::MulAdd(p, t, hn::Set(d, 0.266453981f));
  p = hn::MulAdd(p, t, hn::Set(d, 0.265112609f));
  const auto tail = hn::Mul(hn::Mul(hn::Mul(p, t), hn::Set(d, 0.5f)), exp(hn::Neg(hn::Mul(z, z))));
  return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), tail, hn::Sub(one, tail));
}

HWY_INLINE V activate(Activation activation, V x) {
  const DF d;
  switch (activation) {
    case Activation::silu:
      return times_sigmoid(x, x);
    case Activation::gelu:
      return hn::Mul(x, normal_cdf(x));
    case Activation::gelu_tanh: {
      // 0.5 x (1 + tanh u) = x / (1 + e^-2u), u = sqrt(2 / pi) (x + 0.044715 x^3)
      const auto cubic = hn::MulAdd(hn::Mul(hn::Set(d, 0.044715f), hn::Mul(x, x)), x, x);
      return times_sigmoid(x, hn::Mul(hn::Set(d, 1.59576912f), cubic));
    }
    case Activation::relu:
      break;
  }
  return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Zero(d), x);  // keeps what is not a number
}

}  // namespace
}  // namespace dstorch::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
