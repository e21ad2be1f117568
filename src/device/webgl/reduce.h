#pragma once

#include "device/webgl/tensors.h"

namespace dstorch::webgl {

/// How elements are joined along the reduced dimensions: GLSL over `value` and the accumulator `sum`.
struct Reduction {
  const char* name;
  const char* first;  ///< what `sum` starts as
  const char* join;   ///< a statement
  /// Of the element before it is joined the first time, e.g. its square.
  const char* element = "value";
};

extern const Reduction kSum;
extern const Reduction kSquares;
extern const Reduction kMax;
extern const Reduction kMin;

/// out[...] = scale * the reduction of `self` over `dims`. out is contiguous, of self's sizes without `dims`; its dtype
/// and self's are ones that shaders take. Sums of floats are taken in parts of a fixed size, in a fixed order.
void reduce(const Reduction& reduction, const at::Tensor& self, at::IntArrayRef dims, const at::Tensor& out,
            double scale = 1);

}  // namespace dstorch::webgl
