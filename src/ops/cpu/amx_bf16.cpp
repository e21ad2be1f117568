#include <hwy/base.h>

#include <atomic>
#include <cstring>

#include "ops/cpu/bf16_tiles.h"

#if HWY_ARCH_X86_64

// GCC 12 takes the undefined vectors of its own header for a mistake.
HWY_DIAGNOSTICS(push)
HWY_DIAGNOSTICS_OFF(disable : 4700, ignored "-Wmaybe-uninitialized")
#include <immintrin.h>
HWY_DIAGNOSTICS(pop)

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

HWY_PUSH_ATTRIBUTES("avx512f,avx512vl,avx512dq,avx512bw,avx512bf16,amx-tile,amx-bf16")
namespace dstorch::ops::cpu {
namespace {

constexpr int64_t kFeatures = 2 * kTilePairs;  // of a step
constexpr int64_t kTile = kTileRows;           // outputs of a tile
constexpr int64_t kRowBytes = 64;              // of a tile's row of weights

// The unit's registers. The assembler wants their numbers: tiles of sums (of two tiles of outputs with two blocks of
// rows), of weights, of rows.
#define DSTORCH_SUM_00 0
#define DSTORCH_SUM_10 1
#define DSTORCH_SUM_01 2
#define DSTORCH_SUM_11 3
#define DSTORCH_WEIGHT_0 4
#define DSTORCH_WEIGHT_1 5
#define DSTORCH_ROWS_0 6
#define DSTORCH_ROWS_1 7

/// GCC's tile instructions do not say that they read and write memory.
HWY_INLINE void memory_is_used() { asm volatile("" ::: "memory"); }

/// Where a tile lies.
struct Place {
  const void* data;
  int64_t stride;  // bytes
};

/// Outputs that are computed together: two tiles of those first, first + gap, first + 2 * gap, ...
struct Outputs {
  int64_t first;
  int64_t gap;
};

struct Weights {
  const Bf16* data;
  int64_t stride;
  int64_t features;
  int64_t outputs;

  /// The tile of the outputs from n and the features from i: as it lies, or a copy in `room`, filled up with zeros, of
  /// one that would reach beyond.
  HWY_INLINE Place tile(int64_t n, int64_t gap, int64_t i, Bf16* room) const {
    if (n + (kTile - 1) * gap < outputs && i + kFeatures <= features) {
      return {data + n * stride + i, gap * stride * int64_t{sizeof(Bf16)}};
    }
    std::memset(room, 0, kTile * kRowBytes);
    const auto count = static_cast<size_t>(HWY_MIN(kFeatures, features - i)) * sizeof(Bf16);
    for (int64_t m = 0; m < kTile && n + m * gap < outputs; ++m) {
      std::memcpy(room + m * kFeatures, data + (n + m * gap) * stride + i, count);
    }
    return {room, kRowBytes};
  }

  /// Fetches the step from feature i of two tiles of neighbouring outputs.
  HWY_INLINE void fetch(int64_t n, int64_t i) const {
    const auto* at = reinterpret_cast<const char*>(data + n * stride + i);
#pragma GCC unroll 32
    for (int m = 0; m < 2 * kTile; ++m) {
      _mm_prefetch(at + m * stride * int64_t{sizeof(Bf16)}, _MM_HINT_T1);
    }
  }
};

/// to[r][0 .. 16) = the columns of a tile of sums [16][16], for r < rows, `outputs` numbers of each.
HWY_INLINE void store_columns(const float* tile, int64_t rows, int64_t outputs, float* to, int64_t to_stride) {
  const auto mask = static_cast<__mmask16>((uint32_t{1} << outputs) - 1);
  __m512 in[16], pairs[16], fours[16], halves[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) {
    in[i] = _mm512_load_ps(tile + i * 16);
  }
  // Pairs of rows, fours of rows, eights, all: each step joins what lies in two vectors.
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    pairs[i] = _mm512_unpacklo_ps(in[i], in[i + 1]);
    pairs[i + 1] = _mm512_unpackhi_ps(in[i], in[i + 1]);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 4) {
    for (int j = 0; j < 2; ++j) {
      const auto a = _mm512_castps_pd(pairs[i + j]), b = _mm512_castps_pd(pairs[i + j + 2]);
      fours[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
      fours[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
    }
  }
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {  // column j of each group of four
    halves[j] = _mm512_shuffle_f32x4(fours[j], fours[4 + j], 0x88);
    halves[4 + j] = _mm512_shuffle_f32x4(fours[j], fours[4 + j], 0xdd);
    halves[8 + j] = _mm512_shuffle_f32x4(fours[8 + j], fours[12 + j], 0x88);
    halves[12 + j] = _mm512_shuffle_f32x4(fours[8 + j], fours[12 + j], 0xdd);
  }
  __m512 column[16];
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    column[j] = _mm512_shuffle_f32x4(halves[j], halves[8 + j], 0x88);
    column[8 + j] = _mm512_shuffle_f32x4(halves[j], halves[8 + j], 0xdd);
    column[4 + j] = _mm512_shuffle_f32x4(halves[4 + j], halves[12 + j], 0x88);
    column[12 + j] = _mm512_shuffle_f32x4(halves[4 + j], halves[12 + j], 0xdd);
  }
  for (int64_t r = 0; r < rows; ++r) {
    _mm512_mask_storeu_ps(to + r * to_stride, mask, column[r]);
  }
}

/// A tile of sums [16 outputs][rows], the outputs `sum_stride` numbers apart, goes to where they belong.
HWY_INLINE void store_sums(const float* tile, int64_t sum_stride, int64_t rows, int64_t n, int64_t gap, int64_t outputs,
                           float* out, int64_t out_stride) {
  if (gap == 1 && sum_stride == kTileRows && n < outputs) {
    store_columns(tile, HWY_MIN(rows, kTileRows), HWY_MIN(outputs - n, kTile), out + n, out_stride);
    return;
  }
  for (int64_t m = 0; m < kTile && n + m * gap < outputs; ++m) {
    for (int64_t r = 0; r < HWY_MIN(rows, kTileRows); ++r) {
      out[r * out_stride + n + m * gap] = tile[m * sum_stride + r];
    }
  }
}

/// Two tiles of outputs with one block of rows, or two that are `block` pairs apart. With `fetch_next` the outputs that
/// follow are fetched meanwhile.
template <bool kTwoBlocks>
HWY_INLINE void multiply_tiles(const Bf16Pair* x, int64_t block, int64_t rows, int64_t width, const Weights& weights,
                               Outputs outputs, bool fetch_next, float* out, int64_t out_stride) {
  alignas(64) Bf16 room[2][kTile * kFeatures];
  alignas(64) float sums[4][kTile * kTileRows];
  const int64_t x_stride = width * int64_t{sizeof(Bf16Pair)};
  const auto [n, gap] = outputs;
  const auto second = n + kTile * gap;
  _tile_zero(DSTORCH_SUM_00);
  _tile_zero(DSTORCH_SUM_10);
  if constexpr (kTwoBlocks) {
    _tile_zero(DSTORCH_SUM_01);
    _tile_zero(DSTORCH_SUM_11);
  }
  for (int64_t i = 0; i < weights.features; i += kFeatures) {
    const auto a = weights.tile(n, gap, i, room[0]);
    const auto b = weights.tile(second, gap, i, room[1]);
    const auto* pairs = x + i / 2 * width;
    memory_is_used();
    _tile_loadd(DSTORCH_ROWS_0, pairs, x_stride);
    _tile_loadd(DSTORCH_WEIGHT_0, a.data, a.stride);
    _tile_dpbf16ps(DSTORCH_SUM_00, DSTORCH_WEIGHT_0, DSTORCH_ROWS_0);
    _tile_loadd(DSTORCH_WEIGHT_1, b.data, b.stride);
    _tile_dpbf16ps(DSTORCH_SUM_10, DSTORCH_WEIGHT_1, DSTORCH_ROWS_0);
    if constexpr (kTwoBlocks) {
      _tile_loadd(DSTORCH_ROWS_1, pairs + block, x_stride);
      _tile_dpbf16ps(DSTORCH_SUM_01, DSTORCH_WEIGHT_0, DSTORCH_ROWS_1);
      _tile_dpbf16ps(DSTORCH_SUM_11, DSTORCH_WEIGHT_1, DSTORCH_ROWS_1);
    }
    if (fetch_next) {
      weights.fetch(n + 2 * kTile, i);
    }
  }
  const int64_t sum_stride = width == 1 ? 1 : kTileRows;
  const int64_t sum_bytes = sum_stride * int64_t{sizeof(float)};
  _tile_stored(DSTORCH_SUM_00, sums[0], sum_bytes);
  _tile_stored(DSTORCH_SUM_10, sums[1], sum_bytes);
  if constexpr (kTwoBlocks) {
    _tile_stored(DSTORCH_SUM_01, sums[2], sum_bytes);
    _tile_stored(DSTORCH_SUM_11, sums[3], sum_bytes);
  }
  memory_is_used();
  store_sums(sums[0], sum_stride, rows, n, gap, weights.outputs, out, out_stride);
  store_sums(sums[1], sum_stride, rows, second, gap, weights.outputs, out, out_stride);
  if constexpr (kTwoBlocks) {
    float* below = out + kTileRows * out_stride;
    store_sums(sums[2], sum_stride, rows - kTileRows, n, gap, weights.outputs, below, out_stride);
    store_sums(sums[3], sum_stride, rows - kTileRows, second, gap, weights.outputs, below, out_stride);
  }
}

void set_shapes(int64_t width) {
  // Intel SDM, volume 1, "TILECFG": palette, first row, bytes of a row of each tile at 16, rows of each at 48.
  struct alignas(64) {
    uint8_t palette = 1, start_row = 0, unused[14] = {};
    uint16_t row_bytes[16] = {};
    uint8_t rows[16] = {};
  } shapes;
  static_assert(sizeof(shapes) == 64);
  for (int tile = 0; tile < 8; ++tile) {
    const bool of_weights = tile == DSTORCH_WEIGHT_0 || tile == DSTORCH_WEIGHT_1;
    shapes.row_bytes[tile] = static_cast<uint16_t>(of_weights ? kRowBytes : width * int64_t{sizeof(float)});
    shapes.rows[tile] = kTile;
  }
  memory_is_used();
  _tile_loadconfig(&shapes);
}

void release() { _tile_release(); }

}  // namespace

// GCC 12 compiles constructors without the attributes that functions have here.
TileUse::TileUse(int64_t width) { set_shapes(width); }

TileUse::~TileUse() { release(); }

void pack_row(const float* from, int64_t count, int64_t width, Bf16Pair* to) {
  for (int64_t i = 0; i < count; i += kFeatures) {
    const auto mask = static_cast<__mmask32>((uint64_t{1} << HWY_MIN(kFeatures, count - i)) - 1);
    const auto low = _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), from + i);
    const auto high = _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask >> 16), from + i + kFeatures / 2);
    const auto rounded = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
    Bf16Pair* at = to + i / 2 * width;
    if (width == 1) {
      _mm512_storeu_si512(at, rounded);
      continue;
    }
    Bf16Pair pairs[kTilePairs];
    _mm512_storeu_si512(pairs, rounded);
#pragma GCC unroll 16
    for (int p = 0; p < kTilePairs; ++p) {
      at[p * width] = pairs[p];
    }
  }
}

void tile_product(const Bf16Pair* x, int64_t rows, int64_t width, const Bf16* w, int64_t w_stride, int64_t k,
                  int64_t outputs, float* out, int64_t out_stride) {
  const Weights weights{w, w_stride, k, outputs};
  constexpr int64_t kTogether = 2 * kTile;
  int64_t n = 0;
  if (rows <= kTileRows) {
    // Weights are read once, as long streams, which the processor fetches ahead by itself.
    const auto gap = outputs / kTogether;
    for (int64_t first = 0; first < gap; ++first) {
      multiply_tiles<false>(x, 0, rows, width, weights, {first, gap}, false, out, out_stride);
    }
    n = gap * kTogether;
  }
  const auto block = (k + kFeatures - 1) / kFeatures * kTilePairs * width;
  for (; n < outputs; n += kTogether) {
    for (int64_t r = 0; r < rows; r += 2 * kTileRows) {
      const auto* at = x + r / kTileRows * block;
      float* to = out + r * out_stride;
      // The first rows fetch the weights that all meet next.
      if (rows - r > kTileRows) {
        multiply_tiles<true>(at, block, rows - r, width, weights, {n, 1}, r == 0, to, out_stride);
      } else {
        multiply_tiles<false>(at, block, rows - r, width, weights, {n, 1}, r == 0, to, out_stride);
      }
    }
  }
}

namespace {

/// CPUID leaf 7: AMX-BF16 and AMX-TILE.
bool processor_has_tiles() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kBf16 = 1U << 22, kTiles = 1U << 24;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kBf16) != 0 && (d & kTiles) != 0;
}

/// Documentation/arch/x86/xstate.rst of Linux: a process asks for the tiles' state before it uses them.
bool system_gives_tiles() {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

bool has_tiles() {
  static const bool has = __builtin_cpu_supports("avx512bf16") != 0 && processor_has_tiles() && system_gives_tiles();
  return has;
}

}  // namespace
}  // namespace dstorch::ops::cpu
HWY_POP_ATTRIBUTES

#endif

namespace dstorch::ops::cpu {
namespace {

std::atomic<bool> allowed{true};

}  // namespace

bool bf16_tiles() noexcept {
#if HWY_ARCH_X86_64
  return allowed.load(std::memory_order_relaxed) && has_tiles();
#else
  return false;
#endif
}

void allow_bf16_tiles(bool on) noexcept { allowed.store(on, std::memory_order_relaxed); }

}  // namespace dstorch::ops::cpu
