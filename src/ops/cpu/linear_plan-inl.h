// How a product of rows with weights is divided among threads, and its rows prepared: normed, rounded, laid as the
// products want them. Included once per target.
#if defined(DSTORCH_OPS_CPU_LINEAR_PLAN_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef DSTORCH_OPS_CPU_LINEAR_PLAN_INL_H
#undef DSTORCH_OPS_CPU_LINEAR_PLAN_INL_H
#else
#define DSTORCH_OPS_CPU_LINEAR_PLAN_INL_H
#endif

#include <type_traits>

#include "ops/cpu/bf16_product.h"
#include "ops/cpu/bf16_tiles.h"
#include "ops/cpu/norm-inl.h"
#include "ops/cpu/product-inl.h"
#include "ops/cpu/scratch.h"
#include "ops/cpu/thread_pool.h"

HWY_BEFORE_NAMESPACE();
namespace dstorch::ops::cpu::HWY_NAMESPACE {
namespace {

/// Outputs computed between two looks at the rows of x, and where there are hardly any rows.
inline constexpr int64_t kPanel = 32;
inline constexpr int64_t kLongPanel = 256;
/// Smallest number of outputs that a thread is given: a cache line of y, or what the tiles take at a time.
inline constexpr int64_t kShareUnit = 16;
inline constexpr int64_t kTileShareUnit = 2 * kTileRows;
/// Rows of x worked on together should stay in the second-level cache, or what is kept for them should.
inline constexpr int64_t kChunkBytes = int64_t{192} << 10;
inline constexpr int64_t kChunkRows = 192;
/// What a thread takes at a time, where there is so much: weights to be read, and products.
inline constexpr int64_t kChunkWeights = int64_t{96} << 10;
inline constexpr int64_t kChunkProducts = int64_t{2} << 20;

/// How products are computed: as float32, or in bfloat16 by vectors (bf16_product.h) or tiles (bf16_tiles.h).
enum class Arithmetic { floats, bf16_vectors, bf16_tiles };

/// The rows of x as the products want them: normed, whole vectors, zeros beyond the features. X is float, Bf16 for the
/// vectors of bfloat16, or Bf16Pair for the tiles: `width` rows side by side.
template <class X>
struct Input {
  const X* data;
  int64_t count;
  int64_t stride;
  int64_t width = 1;

  Input some(int64_t first, int64_t rows) const { return {data + first * stride, rows, stride, width}; }
};

/// How a call is divided, and what it needs of scratch: the prepared rows, shared or per worker, and a tile and a panel
/// per worker.
struct Plan {
  ThreadPool& pool = ThreadPool::current();
  int64_t outputs = 0;
  int64_t shared = 0;
  int64_t own = 0;
  int64_t products = 0;
  int64_t chunk = 0;   // rows
  int64_t chunks = 0;  // of rows
  int64_t blocks = 0;  // of outputs
  int64_t panel = 0;   // outputs
  int64_t unit = kShareUnit;
  Arithmetic arithmetic;
  bool rounds = false;
  bool copies = false;
  bool alone = false;  // every worker prepares the rows for itself, which costs less than waiting for another
  float* scratch = nullptr;

  Plan(const Rows& x, const Norm& norm, int64_t all_outputs, int panels, Arithmetic used)
      : outputs(all_outputs), arithmetic(used), rounds(used != Arithmetic::floats) {
    const bool tiles = used == Arithmetic::bf16_tiles;
    unit = tiles ? kTileShareUnit : kShareUnit;
    const auto width = prepared_floats(x.features);
    copies = rounds || norm.kind != NormKind::none || width != x.features;
    chunk = kChunkRows;
    if (x.features <= kWholeFeatures) {
      const auto block = tiles ? kTileRows : rounds ? kBf16BlockRows : kBlockRows;
      chunk = HWY_MIN(chunk, kChunkBytes / (width * int64_t{sizeof(float)}) / block * block);
    }
    chunk = HWY_MIN(chunk, x.count);
    chunks = (x.count + chunk - 1) / chunk;
    alone = x.count <= (tiles ? kTileRows : 1);
    const auto rows = tiles && !alone ? round_up(x.count, kTileRows) : x.count;
    shared = copies && !alone ? rows * width : 0;
    panel = chunk > (tiles ? kTileRows : rounds ? kBf16FewRows : kDirectRows) ? kPanel : kLongPanel;
    products = rounds ? 0 : round_up(product_scratch(chunk, x.features), 16);
    const auto row = copies && alone ? round_up(rows * width, 16) : 0;
    const auto unrounded = rounds ? round_up(x.features, 16) : 0;
    own = row + unrounded + products + panels * chunk * panel;
    shared = round_up(shared, 16);
    const int64_t threads = pool.threads();
    const auto most = HWY_MAX(kChunkWeights, kChunkProducts / chunk) / (panels * x.features);
    const auto each = HWY_MAX(most / unit, int64_t{1}) * unit;
    // As many for each thread, so that its run of chunks is its own part of the outputs.
    blocks = (outputs + each * threads - 1) / (each * threads) * threads;
    blocks = HWY_MAX(HWY_MIN(blocks, outputs / unit / threads * threads), int64_t{1});
    scratch = Scratch::of_this_thread().floats(static_cast<size_t>(shared + threads * own));
  }
  ~Plan() { Scratch::of_this_thread().trim(); }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  /// The room of a prepared row, whole vectors; and that in elements.
  int64_t prepared_floats(int64_t features) const {
    return rounds ? round_up(features, kBf16Lanes) / 2 : padded(features);
  }
  template <class X>
  int64_t prepared_stride(int64_t features) const {
    return prepared_floats(features) * int64_t{sizeof(float)} / int64_t{sizeof(X)};
  }
  float* of(Worker worker) const { return scratch + shared + worker.index * own; }

  /// Some rows and some outputs.
  struct Piece {
    int64_t row;
    int64_t rows;
    int64_t begin;
    int64_t end;
  };
  Piece piece(int64_t index, int64_t count) const {
    // A thread's blocks of outputs for the first rows, then for the next.
    const auto each = blocks / HWY_MIN(blocks, int64_t{pool.threads()});
    const auto part = index / (each * chunks);
    const auto place = index % (each * chunks);
    const auto row = place / each * chunk;
    const auto range = share(outputs, unit, part * each + place % each, blocks);
    return {row, HWY_MIN(chunk, count - row), range.begin, range.end};
  }
};

/// Rows that lie side by side among so many.
template <class X>
constexpr int64_t width_of(int64_t rows) {
  return std::is_same_v<X, Bf16Pair> ? HWY_MIN(rows, kTileRows) : 1;
}

/// A row of `width` side by side. `normed` has room for a row where it will be rounded.
template <class X>
HWY_INLINE void prepare_row(const Norm& norm, const float* x, X* to, int64_t features, int64_t width, float* normed) {
  if constexpr (std::is_same_v<X, float>) {
    norm_row(norm, x, to, features, true);
  } else {
    if (norm.kind != NormKind::none) {
      norm_row(norm, x, normed, features, false);
      x = normed;
    }
    if constexpr (std::is_same_v<X, Bf16>) {
      round_row(x, features, to);
    } else {
      pack_row(x, features, width, to);
    }
  }
}

/// A worker's scratch.
template <class X>
struct Room {
  float* unrounded;  // a row, where it will be rounded
  X* rows;           // as prepared for this worker alone
  float* tile;
  float* panel;

  Room(const Plan& plan, const Rows& x, Worker worker) : unrounded(plan.of(worker)) {
    float* at = unrounded + (plan.rounds ? round_up(x.features, 16) : 0);
    rows = reinterpret_cast<X*>(at);
    tile = at + (plan.copies && plan.alone ? round_up(x.count * plan.prepared_floats(x.features), 16) : 0);
    panel = tile + plan.products;
  }
};

/// The prepared rows: into a worker's room where each does it alone, else by `prepare_rows` before.
template <class X>
Input<X> prepared(const Plan& plan, const Rows& x, const Norm& norm, const Room<X>& room) {
  if constexpr (std::is_same_v<X, float>) {
    if (!plan.copies) {
      return {x.data, x.count, x.stride};
    }
  }
  const auto stride = plan.prepared_stride<X>(x.features);
  const auto width = width_of<X>(x.count);
  if (!plan.alone) {
    return {reinterpret_cast<const X*>(plan.scratch), x.count, stride, width};
  }
  for (int64_t r = 0; r < x.count; ++r) {
    prepare_row(norm, x.data + r * x.stride, room.rows + r, x.features, width, room.unrounded);
  }
  return {room.rows, x.count, stride, width};
}

/// Rows prepared at a time; those that lie side by side by one worker.
template <class X>
constexpr int64_t rows_prepared() {
  return std::is_same_v<X, Bf16Pair> ? kTileRows : 4;
}

template <class X>
void prepare_rows(const Plan& plan, const Rows& x, const Norm& norm, const Room<X>& room, Chunks& chunks) {
  const auto stride = plan.prepared_stride<X>(x.features);
  const auto width = width_of<X>(x.count);
  for (int64_t chunk = 0; chunks.next(chunk);) {
    const auto end = HWY_MIN((chunk + 1) * rows_prepared<X>(), x.count);
    for (auto r = chunk * rows_prepared<X>(); r < end; ++r) {
      auto* to = reinterpret_cast<X*>(plan.scratch) + r / width * width * stride + r % width;
      prepare_row(norm, x.data + r * x.stride, to, x.features, width, room.unrounded);
    }
  }
}

/// Prepares the rows as X and then runs work(room, chunks) over all pieces.
template <class X, class F>
void run_prepared_as(const Plan& plan, const Rows& x, const Norm& norm, const F& work) {
  const auto prepare = [&](Worker worker, Chunks& chunks) {
    prepare_rows<X>(plan, x, norm, Room<X>(plan, x, worker), chunks);
  };
  const auto multiply_all = [&](Worker worker, Chunks& chunks) {
    if constexpr (std::is_same_v<X, Bf16Pair>) {
      const TileUse tiles(width_of<X>(x.count));
      work(Room<X>(plan, x, worker), chunks);
    } else {
      work(Room<X>(plan, x, worker), chunks);
    }
  };
  const auto to_prepare = plan.shared > 0 ? (x.count + rows_prepared<X>() - 1) / rows_prepared<X>() : 0;
  plan.pool.run({{to_prepare, prepare}, {plan.blocks * plan.chunks, multiply_all}});
}

template <class F>
void run_prepared(const Plan& plan, const Rows& x, const Norm& norm, const F& work) {
  if constexpr (kMayRound) {
    if (plan.arithmetic == Arithmetic::bf16_tiles) {
      run_prepared_as<Bf16Pair>(plan, x, norm, work);
      return;
    }
    if (plan.arithmetic == Arithmetic::bf16_vectors) {
      run_prepared_as<Bf16>(plan, x, norm, work);
      return;
    }
  }
  run_prepared_as<float>(plan, x, norm, work);
}

}  // namespace
}  // namespace dstorch::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
