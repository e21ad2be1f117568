#pragma once

#include <ATen/native/CPUFallback.h>

#include <utility>

#include "device/webgl/backend.h"

namespace dstorch::webgl {

/// LibTorch's CPU implementation of `Op` (at::_ops::...), counted: for what a shader does not take.
template <typename Op, typename... Args>
decltype(auto) fallback(Args&&... args) {
  return at::native::call_fallback_fn<&counted_cpu_fallback, Op>::call(std::forward<Args>(args)...);
}

}  // namespace dstorch::webgl
