#pragma once

namespace dstorch::webgl {

/// Tells LibTorch that there may be a webgl device. Without EGL and at no cost; but before the first backward pass of
/// the process, since autograd counts devices once.
void register_guard();

}  // namespace dstorch::webgl
