#pragma once

#include "device/webgl/tensors.h"

namespace dstorch::webgl {

/// What is added to a product: scale * the product + beta * `added` (undefined for none).
struct Epilogue {
  double scale = 1;
  double beta = 0;
  at::Tensor added;  // broadcasts to the product's sizes
};

/// out[b] = a[b] · c[b] with the epilogue: a [batch, m, k], c [batch, k, n], out [batch, m, n]. Any strides; floating
/// point of dtypes that shaders take. Sums are float32, in the order of k.
void multiply(const at::Tensor& a, const at::Tensor& c, const at::Tensor& out, const Epilogue& epilogue = {});

}  // namespace dstorch::webgl
