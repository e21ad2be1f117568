#include "nn/weight_source.h"

namespace dstorch::nn {

at::Tensor FreshWeights::get(const std::string&, at::IntArrayRef shape, bool transposed) {
  // Zeros, so that a weight nobody initialises is at least the same every time.
  return transposed ? at::zeros({shape[1], shape[0]}, options_).t() : at::zeros(shape, options_);
}

}  // namespace dstorch::nn
