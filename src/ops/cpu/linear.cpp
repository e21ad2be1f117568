#include "ops/cpu/linear.h"

#include <algorithm>
#include <type_traits>

#include "ops/cpu/bf16_product.h"
#include "ops/cpu/threads.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/linear.cpp"
#include <hwy/foreach_target.h>

#include "ops/cpu/activation-inl.h"
#include "ops/cpu/norm-inl.h"
#include "ops/cpu/product-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dstorch::ops::cpu::HWY_NAMESPACE {
namespace {

/// Outputs computed between two looks at the rows of x, and where there are hardly any rows.
constexpr int64_t kPanel = 32;
constexpr int64_t kLongPanel = 2048;
/// Smallest share of outputs a thread gets: a cache line of y.
constexpr int64_t kShareUnit = 16;
/// Rows of x worked on together should stay in the second-level cache, or what is kept for them should.
constexpr int64_t kChunkBytes = int64_t{192} << 10;
constexpr int64_t kChunkRows = 192;

/// The rows of x as the products want them: normed, whole vectors, zeros beyond the features. X is float, or Bf16 for
/// the products in bfloat16.
template <class X>
struct Input {
  const X* data;
  int64_t count;
  int64_t stride;
};

/// What one call needs of scratch: the prepared rows, shared or per worker, and a tile and a panel per worker.
struct Plan {
  int64_t shared = 0;
  int64_t own = 0;
  int64_t products = 0;
  int64_t chunk = 0;  // rows
  int64_t panel = 0;  // outputs
  bool rounds = false;
  bool copies = false;
  int threads = 1;
  float* scratch = nullptr;

  Plan(const Rows& x, const Norm& norm, int64_t outputs, int panels, bool rounds_input) : rounds(rounds_input) {
    const auto width = prepared_floats(x.features);
    copies = rounds || norm.kind != NormKind::none || width != x.features;
    chunk = kChunkRows;
    if (x.features <= kWholeFeatures) {
      const auto block = rounds ? kBf16BlockRows : kBlockRows;
      chunk = HWY_MIN(chunk, kChunkBytes / (width * int64_t{sizeof(float)}) / block * block);
    }
    chunk = HWY_MIN(chunk, x.count);
    // One row is prepared by every worker for itself, which costs less than waiting for another.
    shared = copies && x.count > 1 ? x.count * width : 0;
    panel = chunk > kBlockRows ? kPanel : kLongPanel;
    products = rounds ? 0 : round_up(product_scratch(chunk, x.features), 16);
    const auto row = copies && x.count == 1 ? round_up(width, 16) : 0;
    const auto unrounded = rounds ? round_up(x.features, 16) : 0;
    own = row + unrounded + products + panels * chunk * panel;
    threads = static_cast<int>(HWY_MAX(int64_t{1}, HWY_MIN(int64_t{num_threads()}, outputs / kShareUnit)));
    shared = round_up(shared, 16);
    scratch = Scratch::of_this_thread().floats(static_cast<size_t>(shared + threads * own));
  }
  ~Plan() { Scratch::of_this_thread().trim(); }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  /// The room of a prepared row.
  int64_t prepared_floats(int64_t features) const {
    return rounds ? round_up(features, kBf16Lanes) / 2 : padded(features);
  }
  float* of(Worker worker) const { return scratch + shared + worker.index * own; }
};

/// `normed` has room for a row where X is Bf16.
template <class X>
HWY_INLINE void prepare_row(const Norm& norm, const float* x, X* to, int64_t features, float* normed) {
  if constexpr (std::is_same_v<X, float>) {
    norm_row(norm, x, to, features, true);
  } else {
    if (norm.kind != NormKind::none) {
      norm_row(norm, x, normed, features, false);
      x = normed;
    }
    round_row(x, features, to);
  }
}

/// Prepares the rows of x, all workers together, and moves `own` beyond what it took of it.
template <class X>
Input<X> prepare(const Plan& plan, const Rows& x, const Norm& norm, Worker worker, float*& own) {
  if constexpr (std::is_same_v<X, float>) {
    if (!plan.copies) {
      return {x.data, x.count, x.stride};
    }
  }
  float* unrounded = own;
  own += plan.rounds ? round_up(x.features, 16) : 0;
  const auto floats = plan.prepared_floats(x.features);
  const auto stride = floats * (std::is_same_v<X, float> ? 1 : 2);  // else two bfloat16 in the place of a float
  if (x.count == 1) {
    auto* row = reinterpret_cast<X*>(own);
    own += round_up(floats, 16);
    prepare_row(norm, x.data, row, x.features, unrounded);
    return {row, 1, stride};
  }
  auto* rows = reinterpret_cast<X*>(plan.scratch);
  const auto range = share(x.count, 1, worker);
  for (int64_t r = range.begin; r < range.end; ++r) {
    prepare_row(norm, x.data + r * x.stride, rows + r * stride, x.features, unrounded);
  }
  worker.barrier();
  return {rows, x.count, stride};
}

/// out[r][n] = x[r] · (row `first` + n of the matrix).
template <class X>
void multiply(const Input<X>& x, int64_t features, const Matrix& matrix, int64_t first, int64_t outputs, float* out,
              int64_t out_stride, float* tile) {
  with_element(matrix.dtype, [&]<class T>(const T*) HWY_ATTR {
    const auto* weights = static_cast<const T*>(matrix.data) + first * matrix.stride;
    if constexpr (std::is_same_v<X, float>) {
      product(x.data, x.count, x.stride, weights, matrix.stride, features, outputs, out, out_stride, tile);
    } else if constexpr (std::is_same_v<X, T>) {  // no other meets it
      bf16_product(x.data, x.count, x.stride, weights, matrix.stride, features, outputs, out, out_stride);
    }
  });
}

/// y = (residual) + sums + bias for one row of a panel.
HWY_INLINE void finish_linear(const float* sums_row, const Vector& bias, int64_t first, const float* residual, float* y,
                              int64_t outputs) {
  for (int64_t n = 0; n < outputs; n += kLanes) {
    const auto width = HWY_MIN(kLanes, outputs - n);
    auto v = load_upto<float>(sums_row, n, width);
    if (bias.data != nullptr) {
      v = hn::Add(v, load_any(bias, first + n, width));
    }
    if (residual != nullptr) {
      v = hn::Add(load_upto<float>(residual, n, width), v);
    }
    store_part(v, y + n, width);
  }
}

template <class X>
void linear_worker(const LinearCall& call, const Plan& plan, int64_t total, Worker worker) {
  float* own = plan.of(worker);
  const auto input = prepare<X>(plan, call.x, call.norm, worker, own);
  float* tile = own;
  float* panel = own + plan.products;
  const auto range = share(total, kShareUnit, worker);
  for (int64_t r = 0; r < input.count; r += plan.chunk) {
    const Input<X> rows{input.data + r * input.stride, HWY_MIN(plan.chunk, input.count - r), input.stride};
    int64_t column = 0;  // where the matrix begins in y
    for (const auto& matrix : call.matrices) {
      const auto begin = HWY_MAX(range.begin - column, int64_t{0});
      const auto end = HWY_MIN(range.end - column, matrix.rows);
      const bool plain = matrix.bias.data == nullptr && call.residual == nullptr;
      for (int64_t n = begin; n < end; n += plan.panel) {
        const auto outputs = HWY_MIN(plan.panel, end - n);
        const auto at = r * call.y_stride + column + n;
        multiply(rows, call.x.features, matrix, n, outputs, plain ? call.y + at : panel,
                 plain ? call.y_stride : plan.panel, tile);
        for (int64_t i = 0; i < (plain ? 0 : rows.count); ++i) {
          const auto row = at + i * call.y_stride;
          finish_linear(panel + i * plan.panel, matrix.bias, n,
                        call.residual == nullptr ? nullptr : call.residual + row, call.y + row, outputs);
        }
      }
      column += matrix.rows;
    }
  }
}

HWY_INLINE void finish_mlp(const MlpCall& call, const float* gate_row, const float* up_row, int64_t first, float* y,
                           int64_t outputs) {
  for (int64_t n = 0; n < outputs; n += kLanes) {
    const auto width = HWY_MIN(kLanes, outputs - n);
    auto v = load_upto<float>(gate_row, n, width);
    if (call.gate.bias.data != nullptr) {
      v = hn::Add(v, load_any(call.gate.bias, first + n, width));
    }
    v = activate(call.activation, v);
    if (call.up.data != nullptr) {
      auto factor = load_upto<float>(up_row, n, width);
      if (call.up.bias.data != nullptr) {
        factor = hn::Add(factor, load_any(call.up.bias, first + n, width));
      }
      v = hn::Mul(v, factor);
    }
    store_part(v, y + n, width);
  }
}

template <class X>
void mlp_worker(const MlpCall& call, const Plan& plan, Worker worker) {
  float* own = plan.of(worker);
  const auto input = prepare<X>(plan, call.x, call.norm, worker, own);
  float* tile = own;
  float* gates = own + plan.products;
  float* ups = gates + plan.chunk * plan.panel;
  const auto range = share(call.gate.rows, kShareUnit, worker);
  for (int64_t r = 0; r < input.count; r += plan.chunk) {
    const Input<X> rows{input.data + r * input.stride, HWY_MIN(plan.chunk, input.count - r), input.stride};
    for (int64_t n = range.begin; n < range.end; n += plan.panel) {
      const auto outputs = HWY_MIN(plan.panel, range.end - n);
      multiply(rows, call.x.features, call.gate, n, outputs, gates, plan.panel, tile);
      if (call.up.data != nullptr) {
        multiply(rows, call.x.features, call.up, n, outputs, ups, plan.panel, tile);
      }
      for (int64_t i = 0; i < rows.count; ++i) {
        finish_mlp(call, gates + i * plan.panel, ups + i * plan.panel, n, call.y + (r + i) * call.y_stride + n,
                   outputs);
      }
    }
  }
}

/// Runs work(worker, null pointer of the type the input is prepared as).
template <class F>
void run_prepared(const Plan& plan, const F& work) {
  if constexpr (kMayRound) {
    if (plan.rounds) {
      run_parallel(plan.threads, [&](Worker worker) { work(worker, static_cast<const Bf16*>(nullptr)); });
      return;
    }
  }
  run_parallel(plan.threads, [&](Worker worker) { work(worker, static_cast<const float*>(nullptr)); });
}

bool is_bf16(const Matrix& matrix) { return matrix.data == nullptr || matrix.dtype == DType::bfloat16; }

void run_linear(const LinearCall& call) {
  int64_t total = 0;
  bool rounds = kMayRound && bf16_products();
  for (const auto& matrix : call.matrices) {
    total += matrix.rows;
    rounds = rounds && is_bf16(matrix);
  }
  const Plan plan(call.x, call.norm, total, 1, rounds);
  run_prepared(plan, [&]<class X>(Worker worker, const X*) { linear_worker<X>(call, plan, total, worker); });
}

void run_mlp(const MlpCall& call) {
  const bool rounds = kMayRound && bf16_products() && is_bf16(call.gate) && is_bf16(call.up);
  const Plan plan(call.x, call.norm, call.gate.rows, 2, rounds);
  run_prepared(plan, [&]<class X>(Worker worker, const X*) { mlp_worker<X>(call, plan, worker); });
}

void run_norm_rows(const Rows& x, const Norm& norm, float* y, int64_t y_stride) {
  constexpr int64_t kWorthAThread = int64_t{16} << 10;
  const auto threads = std::min<int64_t>({num_threads(), x.count, 1 + x.count * x.features / kWorthAThread});
  const auto work = [&](Worker worker) HWY_ATTR {
    const auto range = share(x.count, 1, worker);
    for (int64_t r = range.begin; r < range.end; ++r) {
      norm_row(norm, x.data + r * x.stride, y + r * y_stride, x.features, false);
    }
  };
  run_parallel(static_cast<int>(threads), work);
}

}  // namespace
}  // namespace dstorch::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dstorch::ops::cpu {

HWY_EXPORT(run_linear);
HWY_EXPORT(run_mlp);
HWY_EXPORT(run_norm_rows);

void linear(const LinearCall& call) {
  if (call.x.count > 0) {
    HWY_DYNAMIC_DISPATCH(run_linear)(call);
  }
}

void mlp(const MlpCall& call) {
  if (call.x.count > 0) {
    HWY_DYNAMIC_DISPATCH(run_mlp)(call);
  }
}

void norm(const Rows& x, const Norm& norm, float* y, int64_t y_stride) {
  if (x.count > 0) {
    HWY_DYNAMIC_DISPATCH(run_norm_rows)(x, norm, y, y_stride);
  }
}

}  // namespace dstorch::ops::cpu
#endif
