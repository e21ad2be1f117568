#pragma once

#include "device/webgl/tensors.h"

namespace dstorch::webgl {

/// target[i] = source[.., index[i], ..] with `dim` of source chosen by index; target and index have the same sizes but
/// for broadcasting (stride 0) of index. `source` is viewed with target's sizes in all other dimensions.
/// Throws nothing for indices outside: those elements stay as they were.
void gather(const at::Tensor& source, int64_t dim, const at::Tensor& index, const at::Tensor& target);

/// target[.., index[i], ..] = source[i], or += with `add`: one invocation walks `dim` for its line, so that sums are
/// made in order.
void scatter(const at::Tensor& source, int64_t dim, const at::Tensor& index, const at::Tensor& target, bool add);

}  // namespace dstorch::webgl
