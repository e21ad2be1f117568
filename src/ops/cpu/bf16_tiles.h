#pragma once

#include <cstdint>

#include "ops/cpu/half.h"

/// Products of bfloat16 with bfloat16 by the processor's matrix unit, TDPBF16PS of AMX (Intel SDM, volume 2): sixteen
/// outputs of sixteen rows over 32 features in one instruction. Up to sixteen rows take as long as one, since reading
/// the weights is what takes time; prompts are read several times as fast as by VDPBF16PS (bf16_product.h). Rounding is
/// the same, sums are float32.
///
/// Every output is summed in an order that depends on the number of features alone: step by step of 32 features, each
/// step's even and odd features apart, as the instruction defines it.
namespace dstorch::ops::cpu {

/// Two neighbouring features of a row: what the instruction multiplies at a time.
struct Bf16Pair {
  Bf16 even, odd;
};

/// Rows that lie side by side, and outputs of a tile.
inline constexpr int64_t kTileRows = 16;
/// Pairs of a step. Rows are multiplied in whole steps, zeros beyond their features.
inline constexpr int64_t kTilePairs = 16;

/// Whether bfloat16 is multiplied so: the processor has the unit, the system gives it to this process (Linux asks for
/// it to be requested, which this does when first called; it holds for the process and costs nothing while no tile is
/// in use), and it has not been switched off. Where this is false the rest must not be used; it exists on x86-64 only.
bool bf16_tiles() noexcept;
/// For tests and benchmarks: `false` is as if the processor had no such unit. Not while kernels run.
void allow_bf16_tiles(bool allowed) noexcept;

/// The unit, set up for `width` rows side by side (at most kTileRows), on this thread while this lives.
class TileUse {
 public:
  explicit TileUse(int64_t width);
  TileUse(const TileUse&) = delete;
  TileUse& operator=(const TileUse&) = delete;
  ~TileUse();
};

/// Rounds a row as `round_row` does (bf16_product.h) and lays it among `width` rows: pair p goes to to[p * width].
/// Whole steps are written.
void pack_row(const float* from, int64_t count, int64_t width, Bf16Pair* to);

/// out[r][n] = x[r] · w[n] over k features, for r < rows and n < outputs. x is blocks [pairs][width] of `width` rows,
/// the pairs in whole steps; rows of the last block that are not there hold anything. Within a TileUse of that width.
void tile_product(const Bf16Pair* x, int64_t rows, int64_t width, const Bf16* w, int64_t w_stride, int64_t k,
                  int64_t outputs, float* out, int64_t out_stride);

}  // namespace dstorch::ops::cpu
