#pragma once

#include <optional>

#include "device/webgl/tensors.h"

namespace dstorch::webgl {

/// An operation on each element: GLSL over the values `a`, `b`, `c` and the numbers `p`, `q`.
struct Expression {
  const char* name;
  const char* code;
  /// Computes in float even on integers (exp, division); otherwise integers are computed as such.
  bool in_float = false;
  /// GLSL functions the code uses.
  const char* functions = "";
};

struct Numbers {
  double p = 0;
  double q = 0;
};

/// out = code(inputs), the inputs broadcast to out's sizes. An input on the CPU must have one element; its value is
/// taken. Any strides; out may be one of the inputs, element for element. Integers are computed in 32 bits.
void elementwise(const Expression& expression, const at::Tensor& out, std::initializer_list<at::Tensor> inputs,
                 Numbers numbers = {});

/// Whether `elementwise` can: out on the device, every dtype one that shaders take.
bool elementwise_takes(const at::Tensor& out, std::initializer_list<at::Tensor> inputs);

/// The same below tensors, inputs of out's sizes.
void elementwise(const Expression& expression, const View& out, const c10::SmallVector<View, 3>& inputs,
                 Numbers numbers);

}  // namespace dstorch::webgl
