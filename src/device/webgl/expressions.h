#pragma once

// What is computed element by element, in GLSL (see Expression).
#include "device/webgl/elementwise.h"

namespace dstorch::webgl {

// Abramowitz and Stegun 7.1.26: within 1.5e-7.
inline constexpr const char* kErf = R"(
float erf(float x) {
  float t = 1.0 / (1.0 + 0.3275911 * abs(x));
  float y = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return sign(x) * (1.0 - y * exp(-x * x));
}
)";
// tanh of drivers overflows for large arguments.
inline constexpr const char* kTanh = R"(
float safe_tanh(float x) { return tanh(clamp(x, -10.0, 10.0)); }
)";
// Those of drivers may be off by 2^-11, and by more the larger the angle. Cody and Waite's reduction by quarter turns,
// and the polynomials of Cephes: within 1e-7 up to thousands of radians.
inline constexpr const char* kTurn = R"(
float turn(float x, int quarters) {
  float k = floor(x * 0.636619772 + 0.5);
  float r = ((x - k * 1.5703125) - k * 4.837512969970703125e-4) - k * 7.54978995489188216e-8;
  float z = r * r;
  float s = r + r * z * (-1.6666654611e-1 + z * (8.3321608736e-3 - z * 1.9515295891e-4));
  float c = 1.0 - 0.5 * z + z * z * (4.166664568298827e-2 + z * (-1.388731625493765e-3 + z * 2.443315711809948e-5));
  int quadrant = (int(k) + quarters) & 3;
  float v = (quadrant & 1) == 0 ? s : c;
  return quadrant < 2 ? v : -v;
}
)";
inline constexpr const char* kSigmoid = R"(
float sigmoid(float x) { return 1.0 / (1.0 + exp(-x)); }
)";

inline constexpr Expression kCopy{.name = "copy", .code = "a"};
inline constexpr Expression kNeg{.name = "neg", .code = "-a"};
inline constexpr Expression kAbs{.name = "abs", .code = "abs(a)"};
inline constexpr Expression kSign{.name = "sign", .code = "sign(a)"};
inline constexpr Expression kExp{.name = "exp", .code = "exp(a)", .in_float = true};
inline constexpr Expression kLog{.name = "log", .code = "log(a)", .in_float = true};
inline constexpr Expression kSqrt{.name = "sqrt", .code = "sqrt(a)", .in_float = true};
inline constexpr Expression kRsqrt{.name = "rsqrt", .code = "1.0 / sqrt(a)", .in_float = true};
inline constexpr Expression kReciprocal{.name = "reciprocal", .code = "1.0 / a", .in_float = true};
inline constexpr Expression kCos{.name = "cos", .code = "turn(a, 1)", .in_float = true, .functions = kTurn};
inline constexpr Expression kSin{.name = "sin", .code = "turn(a, 0)", .in_float = true, .functions = kTurn};
inline constexpr Expression kTanhOp{.name = "tanh", .code = "safe_tanh(a)", .in_float = true, .functions = kTanh};
inline constexpr Expression kErfOp{.name = "erf", .code = "erf(a)", .in_float = true, .functions = kErf};
inline constexpr Expression kSigmoidOp{
    .name = "sigmoid", .code = "sigmoid(a)", .in_float = true, .functions = kSigmoid};
inline constexpr Expression kSilu{.name = "silu", .code = "a * sigmoid(a)", .in_float = true, .functions = kSigmoid};
inline constexpr Expression kRelu{.name = "relu", .code = "a > num(0.0) ? a : (is_nan(a) ? a : num(0.0))"};
inline constexpr Expression kLogicalNot{.name = "logical_not", .code = "to_bool(a) == 0"};
inline constexpr Expression kFloor{.name = "floor", .code = "floor(a)", .in_float = true};

inline constexpr Expression kAdd{.name = "add", .code = "a + b"};
inline constexpr Expression kAddScaled{.name = "add_scaled", .code = "a + num(p) * b"};
inline constexpr Expression kMul{.name = "mul", .code = "a * b"};
inline constexpr Expression kDiv{.name = "div", .code = "a / b", .in_float = true};
inline constexpr Expression kMaximum{.name = "maximum", .code = "is_nan(a) ? a : (is_nan(b) ? b : max(a, b))"};
inline constexpr Expression kMinimum{.name = "minimum", .code = "is_nan(a) ? a : (is_nan(b) ? b : min(a, b))"};
inline constexpr Expression kEq{.name = "eq", .code = "a == b"};
inline constexpr Expression kNe{.name = "ne", .code = "a != b || is_nan(a) || is_nan(b)"};
inline constexpr Expression kLt{.name = "lt", .code = "a < b"};
inline constexpr Expression kLe{.name = "le", .code = "a <= b"};
inline constexpr Expression kGt{.name = "gt", .code = "a > b"};
inline constexpr Expression kGe{.name = "ge", .code = "a >= b"};
inline constexpr Expression kLogicalAnd{.name = "logical_and", .code = "to_bool(a) != 0 && to_bool(b) != 0"};
inline constexpr Expression kLogicalOr{.name = "logical_or", .code = "to_bool(a) != 0 || to_bool(b) != 0"};
inline constexpr Expression kBitAnd{.name = "bitwise_and", .code = "a & b"};
inline constexpr Expression kBitOr{.name = "bitwise_or", .code = "a | b"};

inline constexpr Expression kSquare{.name = "square", .code = "a * a"};
inline constexpr Expression kCube{.name = "cube", .code = "a * a * a"};
// pow() of GLSL is undefined for negative bases; b is whole or the result NaN, as in C.
inline constexpr const char* kPow = R"(
float power(float x, float y) {
  if (y == 0.0 || x == 1.0) { return 1.0; }
  if (x == 0.0) { return y > 0.0 ? 0.0 : 1.0 / x; }
  float magnitude = exp2(y * log2(abs(x)));
  if (x > 0.0) { return magnitude; }
  if (floor(y) != y) { return 0.0 / (x - x); }
  return mod(y, 2.0) == 1.0 ? -magnitude : magnitude;
}
)";
inline constexpr Expression kPower{.name = "pow", .code = "power(a, b)", .in_float = true, .functions = kPow};

inline constexpr Expression kSiluBackward{.name = "silu_backward",
                                          .code = "a * sigmoid(b) * (1.0 + b * (1.0 - sigmoid(b)))",
                                          .in_float = true,
                                          .functions = kSigmoid};
inline constexpr Expression kSigmoidBackward{.name = "sigmoid_backward", .code = "a * b * (1.0 - b)", .in_float = true};
inline constexpr Expression kTanhBackward{.name = "tanh_backward", .code = "a * (1.0 - b * b)", .in_float = true};
inline constexpr Expression kThresholdBackward{.name = "threshold_backward", .code = "b <= num(p) ? num(0.0) : a"};

inline constexpr Expression kGelu{
    .name = "gelu", .code = "0.5 * a * (1.0 + erf(a * 0.70710678118))", .in_float = true, .functions = kErf};
inline constexpr Expression kGeluBackward{
    .name = "gelu_backward",
    .code = "a * (0.5 * (1.0 + erf(b * 0.70710678118)) + b * 0.39894228040 * exp(-0.5 * b * b))",
    .in_float = true,
    .functions = kErf};
inline constexpr const char* kGeluTanhFunctions = R"(
float safe_tanh(float x) { return tanh(clamp(x, -10.0, 10.0)); }
float inner(float x) { return 0.79788456080 * (x + 0.044715 * x * x * x); }
float gelu(float x) { return 0.5 * x * (1.0 + safe_tanh(inner(x))); }
float gelu_slope(float x) {
  float t = safe_tanh(inner(x));
  return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * 0.79788456080 * (1.0 + 0.134145 * x * x);
}
)";
inline constexpr Expression kGeluTanh{
    .name = "gelu_tanh", .code = "gelu(a)", .in_float = true, .functions = kGeluTanhFunctions};
inline constexpr Expression kGeluTanhBackward{
    .name = "gelu_tanh_backward", .code = "a * gelu_slope(b)", .in_float = true, .functions = kGeluTanhFunctions};

inline constexpr Expression kFill{.name = "fill", .code = "num(p)"};
inline constexpr Expression kWhere{.name = "where", .code = "to_bool(a) != 0 ? b : c"};
inline constexpr Expression kMaskedFill{.name = "masked_fill", .code = "to_bool(b) != 0 ? num(p) : a"};
inline constexpr Expression kClamp{.name = "clamp", .code = "a < num(p) ? num(p) : (a > num(q) ? num(q) : a)"};
inline constexpr Expression kAddcmul{.name = "addcmul", .code = "a + num(p) * b * c"};
inline constexpr Expression kAddcdiv{.name = "addcdiv", .code = "a + p * b / c", .in_float = true};
inline constexpr Expression kLerp{.name = "lerp", .code = "a + p * (b - a)", .in_float = true};
inline constexpr Expression kArange{.name = "arange", .code = "num(p) + num(q) * num(float(element))"};

}  // namespace dstorch::webgl
