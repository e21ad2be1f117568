#pragma once

#include <cstdint>

#include "ops/cpu/half.h"

/// Products of bfloat16 with bfloat16 by the processor's own instruction, VDPBF16PS of AVX-512 BF16 (Intel SDM,
/// volume 2), for which Highway 1.0 has no word. Twice the speed of float32; what is multiplied with bfloat16 weights
/// is rounded to bfloat16 for it, as PyTorch's bfloat16 does; sums stay float32.
///
/// As in product-inl.h, every output is summed in an order that depends on the number of features alone.
namespace dstorch::ops::cpu {

/// Elements of a vector. Rows that are multiplied hold whole vectors, zeros beyond their features.
inline constexpr int64_t kBf16Lanes = 32;
/// Rows of x held against a few outputs at once.
inline constexpr int64_t kBf16BlockRows = 6;
/// Rows up to which the weights are read once.
inline constexpr int64_t kBf16FewRows = 12;

/// Whether the AVX-512 kernels multiply so: the processor has the instruction and it has not been switched off.
/// Where this is false the functions below must not be called; they exist on x86-64 only.
bool bf16_products() noexcept;
/// For tests and benchmarks: `false` is as if the processor had no such instruction. Not while kernels run.
void allow_bf16_products(bool allowed) noexcept;

/// to[0 .. count) = from, rounded to the nearest, ties to even (subnormals to zero); then zeros up to whole vectors.
/// `to` may be the memory of `from`.
void round_row(const float* from, int64_t count, Bf16* to);

/// out[r][n] = x[r] · w[n] over k features, for r < rows and n < outputs.
void bf16_product(const Bf16* x, int64_t rows, int64_t x_stride, const Bf16* w, int64_t w_stride, int64_t k,
                  int64_t outputs, float* out, int64_t out_stride);

/// Keys of a tile of attention.
inline constexpr int64_t kTileKeys = 64;

/// scores[r][j] = sum over p of the products of pair p of query r with pair p of key j, pairs in ascending order: for
/// `rows` queries, `stride` elements apart, and the kTileKeys keys of a tile [pairs][kTileKeys][2].
void bf16_scores(const Bf16* queries, int64_t rows, int64_t stride, const Bf16* tile, int64_t pairs, float* scores);

}  // namespace dstorch::ops::cpu
