#pragma once

#include <optional>
#include <stdexcept>
#include <string_view>

#include "dstorch/dtype.h"

namespace dstorch::test {

/// What a test compares with what, and in which unit the difference is given. "Share of" is the largest absolute
/// difference divided by that; all references named without a dtype are computed in float64 from the stored numbers.
enum class Compared {
  // tests/kernels, on inputs that are standard normal
  linear_kernel,     ///< with the formula; absolute, for each unit of 2 + 4 * sqrt(features)
  gate_kernel,       ///< with the formula; absolute
  norm_kernel,       ///< with the formula; share of 1 + the number itself
  attention_kernel,  ///< with the formula over rounded keys and values; absolute. The dtype is that of the pages.

  // tests/ops
  op,                   ///< a fused op with its composed reference; share of the largest number
  op_through_pages,     ///< attention with its composed reference in the same dtype; the same. The dtype is the pages'.
  difference_quotient,  ///< the slope by a gradient with a difference quotient; share of the latter

  // tests/device
  libtorch_op,           ///< an operation of LibTorch with itself on the CPU; share of the largest number, 1 at least
  libtorch_op_gradient,  ///< its gradients with theirs; the same

  // tests/parity, tests/models, tests/driver. The dtype is that of the weights.
  logits,              ///< with transformers in float32 on the same weights; share of the range of the reference's
  logits_of_dtype,     ///< with transformers in the same dtype; share of the range of the reference's
  logits_of_cpu,       ///< on another device with ours on the CPU in the same dtype; share of the reference's range
  logits_of_plain,     ///< of a plain network with PyTorch; absolute
  logits_of_config,    ///< of one token of a model of a formula's weights with transformers; absolute
  logits_from_blocks,  ///< from weights in blocks with the same numbers dense; share of the largest number
  logits_of_adapter,   ///< of a model with an adapter with peft's; share of the largest number
  logits_of_merged,    ///< of a merged model with the adapter beside its base; absolute
  sequences_apart,     ///< a sequence alone with the same one among others; absolute and of each number
  hidden_mean,         ///< an embedding with transformers; absolute
  likelihood,          ///< perplexity's sum of losses with transformers; share of it

  // tests/train, against PyTorch and peft
  gradient,          ///< training from nothing: of a parameter; share of its largest number
  loss,              ///< of each of ten steps; absolute
  gradient_norm,     ///< of each of ten steps; absolute
  trained_weight,    ///< after ten steps; absolute
  finetuned,         ///< fine-tuning: gradients as share of the largest number, losses as share of themselves
  finetuned_norm,    ///< norms of gradients; share of themselves
  finetuned_weight,  ///< of an adapter after ten steps; absolute
  parts,             ///< the sum of a batch's parts with the sum of its examples; share of the largest number

  // tests/parity and tests/train: on another device, with the CPU
  gradient_of_cpu,  ///< share of the parameter's largest number
  weight_of_cpu,    ///< after one step; absolute
  loss_of_cpu,      ///< of twelve steps; absolute
};

struct Tolerance {
  Compared what;
  std::optional<DType> dtype;  ///< unset: any
  double cpu;                  ///< below 0: not compared there
  double accelerator;          ///< webgl and cuda
};

/// Activations and sums are float32 whatever the weights are. So what is computed from the same stored numbers differs
/// by the order of sums alone, but for keys and values that are rounded once to the dtype of their pages, and for
/// processors that multiply bfloat16.
inline constexpr double kNot = -1;
inline constexpr Tolerance kTolerances[] = {
    {Compared::linear_kernel, {}, 4e-7, kNot},
    {Compared::gate_kernel, {}, 2e-5, kNot},
    {Compared::norm_kernel, {}, 3e-6, kNot},
    {Compared::attention_kernel, DType::float32, 3e-6, kNot},
    {Compared::attention_kernel, DType::float16, 4e-4, kNot},
    {Compared::attention_kernel, DType::bfloat16, 3e-3, kNot},
    {Compared::attention_kernel, DType::int8, 3e-3, kNot},

    {Compared::op, {}, 3e-6, kNot},
    {Compared::op_through_pages, DType::float32, 3e-6, kNot},
    {Compared::op_through_pages, DType::float16, 2e-3, kNot},
    {Compared::op_through_pages, DType::bfloat16, 1.5e-2, kNot},
    {Compared::op_through_pages, DType::int8, 1.5e-2, kNot},
    {Compared::difference_quotient, {}, 1e-2, kNot},

    {Compared::libtorch_op, DType::float32, 4e-6, 4e-6},
    {Compared::libtorch_op, DType::float16, kNot, 4e-3},  // the CPU of older LibTorch does not compute in it
    {Compared::libtorch_op, DType::bfloat16, 3e-2, 3e-2},
    {Compared::libtorch_op_gradient, DType::float32, 4e-5, 4e-5},

    {Compared::logits, DType::float32, 1e-4, 1e-4},
    {Compared::logits, DType::float16, 5e-4, kNot},
    {Compared::logits, DType::bfloat16, 1e-2, kNot},
    // transformers rounds after each step: its own distance from float32 is 0.5 to 2 % on these models.
    {Compared::logits_of_dtype, DType::bfloat16, 3e-2, kNot},
    // The CPU kept from multiplying in bfloat16: a key or value is here and there rounded to the neighbour.
    {Compared::logits_of_cpu, DType::float16, kNot, 5e-4},
    {Compared::logits_of_cpu, DType::bfloat16, kNot, 5e-4},
    {Compared::logits_of_plain, DType::float32, 1e-4, kNot},
    {Compared::logits_of_config, DType::float32, 2e-4, kNot},
    {Compared::logits_from_blocks, DType::float32, 1e-5, kNot},
    {Compared::logits_of_adapter, DType::float32, 1e-4, kNot},
    {Compared::logits_of_merged, DType::float32, 1e-4, kNot},
    {Compared::sequences_apart, DType::float32, 1e-4, kNot},
    {Compared::hidden_mean, DType::float32, 1e-4, kNot},
    {Compared::likelihood, DType::float32, 1e-4, kNot},

    {Compared::gradient, DType::float32, 1e-5, kNot},
    {Compared::loss, DType::float32, 2e-5, kNot},
    {Compared::gradient_norm, DType::float32, 5e-5, kNot},
    {Compared::trained_weight, DType::float32, 5e-5, kNot},
    {Compared::finetuned, DType::float32, 1e-4, kNot},
    {Compared::finetuned_norm, DType::float32, 5e-4, kNot},
    {Compared::finetuned_weight, DType::float32, 1e-3, kNot},
    {Compared::parts, DType::float32, 1e-5, kNot},

    {Compared::gradient_of_cpu, DType::float32, kNot, 1e-4},
    {Compared::weight_of_cpu, DType::float32, kNot, 2e-5},
    {Compared::loss_of_cpu, DType::float32, kNot, 2e-3},
};

/// Whether the table has a bound for this on `device` ("cpu", "webgl", "cuda"), and which. Throws std::logic_error
/// where it has none.
constexpr std::optional<double> find_tolerance(Compared what, DType dtype, std::string_view device = "cpu") {
  for (const auto& row : kTolerances) {
    if (row.what == what && row.dtype.value_or(dtype) == dtype) {
      const auto most = device == "cpu" ? row.cpu : row.accelerator;
      return most < 0 ? std::nullopt : std::optional(most);
    }
  }
  return std::nullopt;
}
constexpr double tolerance(Compared what, DType dtype = DType::float32, std::string_view device = "cpu") {
  const auto most = find_tolerance(what, dtype, device);
  return most ? *most : throw std::logic_error("tests/support/tolerances.h has no bound for this");
}

}  // namespace dstorch::test
