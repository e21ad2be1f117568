#pragma once

#include <torch/library.h>

#include <string>

#include "device/webgl/tensors.h"

namespace dstorch::webgl {

/// Registers everything with LibTorch, once.
void register_backend();

// One function a family of ops, each in its own file.
void register_storage_ops(torch::Library& library);
void register_arithmetic_ops(torch::Library& library);
void register_reduction_ops(torch::Library& library);
void register_matrix_ops(torch::Library& library);
void register_index_ops(torch::Library& library);

/// Counts `name` among the fallbacks.
void count_fallback(const std::string& name);
void counted_cpu_fallback(const c10::OperatorHandle& op, torch::jit::Stack* stack);

/// Copies elements between devices, dtypes and strides.
at::Tensor copy_from(const at::Tensor& source, const at::Tensor& target, bool non_blocking);

/// Gives `out` of an op's out= form its sizes.
void resize_out(const at::Tensor& out, at::IntArrayRef sizes);

}  // namespace dstorch::webgl
