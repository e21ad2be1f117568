#include "ops/cpu/linear.h"

#include <type_traits>

#include "ops/cpu/bf16_product.h"
#include "ops/cpu/bf16_tiles.h"
#include "ops/cpu/thread_pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/linear.cpp"
#include <hwy/foreach_target.h>

#include "ops/cpu/activation-inl.h"
#include "ops/cpu/linear_plan-inl.h"
#include "ops/cpu/norm-inl.h"
#include "ops/cpu/product-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dstorch::ops::cpu::HWY_NAMESPACE {
namespace {

/// out[r][n] = x[r] · (row `first` + n of the matrix).
template <class X>
void multiply(const Input<X>& x, int64_t features, const Matrix& matrix, int64_t first, int64_t outputs, float* out,
              int64_t out_stride, float* tile) {
  with_element(matrix.dtype, [&]<class T>(const T*) HWY_ATTR {
    const auto* weights = static_cast<const T*>(matrix.data) + first * matrix.stride;
    if constexpr (std::is_same_v<X, float>) {
      product(x.data, x.count, x.stride, weights, matrix.stride, features, outputs, out, out_stride, tile);
    } else if constexpr (std::is_same_v<T, Bf16>) {  // no other meets it
      if constexpr (std::is_same_v<X, Bf16>) {
        bf16_product(x.data, x.count, x.stride, weights, matrix.stride, features, outputs, out, out_stride);
      } else {
        tile_product(x.data, x.count, x.width, weights, matrix.stride, features, outputs, out, out_stride);
      }
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
void linear_chunks(const LinearCall& call, const Plan& plan, const Room<X>& room, Chunks& chunks) {
  const auto input = prepared(plan, call.x, call.norm, room);
  for (int64_t chunk = 0; chunks.next(chunk);) {
    const auto piece = plan.piece(chunk, input.count);
    const auto rows = input.some(piece.row, piece.rows);
    int64_t column = 0;  // where the matrix begins in y
    for (const auto& matrix : call.matrices) {
      const auto begin = HWY_MAX(piece.begin - column, int64_t{0});
      const auto end = HWY_MIN(piece.end - column, matrix.rows);
      const bool plain = matrix.bias.data == nullptr && call.residual == nullptr;
      for (int64_t n = begin; n < end; n += plan.panel) {
        const auto outputs = HWY_MIN(plan.panel, end - n);
        const auto at = piece.row * call.y_stride + column + n;
        multiply(rows, call.x.features, matrix, n, outputs, plain ? call.y + at : room.panel,
                 plain ? call.y_stride : plan.panel, room.tile);
        for (int64_t i = 0; i < (plain ? 0 : rows.count); ++i) {
          const auto row = at + i * call.y_stride;
          finish_linear(room.panel + i * plan.panel, matrix.bias, n,
                        call.residual == nullptr ? nullptr : call.residual + row, call.y + row, outputs);
        }
      }
      column += matrix.rows;
    }
  }
}

/// `up_row` is null where there are no factors.
HWY_INLINE void finish_gate(const LinearGateCall& call, const float* gate_row, const float* up_row, int64_t first,
                            float* y, int64_t outputs) {
  for (int64_t n = 0; n < outputs; n += kLanes) {
    const auto width = HWY_MIN(kLanes, outputs - n);
    auto v = load_upto<float>(gate_row, n, width);
    if (call.gate.bias.data != nullptr) {
      v = hn::Add(v, load_any(call.gate.bias, first + n, width));
    }
    v = activate(call.activation, v);
    if (up_row != nullptr) {
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
void linear_gate_chunks(const LinearGateCall& call, const Plan& plan, const Room<X>& room, Chunks& chunks) {
  const auto input = prepared(plan, call.x, call.norm, room);
  float* gates = room.panel;
  float* ups = gates + plan.chunk * plan.panel;
  for (int64_t chunk = 0; chunks.next(chunk);) {
    const auto piece = plan.piece(chunk, input.count);
    const auto rows = input.some(piece.row, piece.rows);
    for (int64_t n = piece.begin; n < piece.end; n += plan.panel) {
      const auto outputs = HWY_MIN(plan.panel, piece.end - n);
      multiply(rows, call.x.features, call.gate, n, outputs, gates, plan.panel, room.tile);
      if (call.up.data != nullptr) {
        multiply(rows, call.x.features, call.up, n, outputs, ups, plan.panel, room.tile);
      }
      for (int64_t i = 0; i < rows.count; ++i) {
        finish_gate(call, gates + i * plan.panel, call.up.data != nullptr ? ups + i * plan.panel : nullptr, n,
                    call.y + (piece.row + i) * call.y_stride + n, outputs);
      }
    }
  }
}

bool is_bf16(const Matrix& matrix) { return matrix.data == nullptr || matrix.dtype == DType::bfloat16; }

Arithmetic arithmetic(bool all_bf16) {
  if (!kMayRound || !all_bf16 || !bf16_products()) {
    return Arithmetic::floats;
  }
  return bf16_tiles() ? Arithmetic::bf16_tiles : Arithmetic::bf16_vectors;
}

void run_linear(const LinearCall& call) {
  int64_t total = 0;
  bool all_bf16 = true;
  for (const auto& matrix : call.matrices) {
    total += matrix.rows;
    all_bf16 = all_bf16 && is_bf16(matrix);
  }
  const Plan plan(call.x, call.norm, total, 1, arithmetic(all_bf16));
  run_prepared(plan, call.x, call.norm,
               [&]<class X>(const Room<X>& room, Chunks& chunks) { linear_chunks(call, plan, room, chunks); });
}

void run_linear_gate(const LinearGateCall& call) {
  const Plan plan(call.x, call.norm, call.gate.rows, 2, arithmetic(is_bf16(call.gate) && is_bf16(call.up)));
  run_prepared(plan, call.x, call.norm,
               [&]<class X>(const Room<X>& room, Chunks& chunks) { linear_gate_chunks(call, plan, room, chunks); });
}

void run_gate(const GateCall& call) {
  constexpr int64_t kUnit = 4096;  // numbers
  LinearGateCall bare;
  bare.activation = call.activation;
  parallel_for((call.gates.count * call.gates.features + kUnit - 1) / kUnit, 1,
               [&](int64_t begin, int64_t end) HWY_ATTR {
                 const auto first = begin * kUnit;
                 const auto count = HWY_MIN(end * kUnit, call.gates.count * call.gates.features) - first;
                 finish_gate(bare, call.gates.data + first, call.factors == nullptr ? nullptr : call.factors + first, 0,
                             call.y + first, count);
               });
}

void run_norm_rows(const Rows& x, const Norm& norm, float* y, int64_t y_stride) {
  constexpr int64_t kChunkElements = int64_t{8} << 10;
  const auto unit = HWY_MAX(kChunkElements / x.features, int64_t{1});
  parallel_for(x.count, unit, [&](int64_t begin, int64_t end) HWY_ATTR {
    for (auto r = begin; r < end; ++r) {
      norm_row(norm, x.data + r * x.stride, y + r * y_stride, x.features, false);
    }
  });
}

}  // namespace
}  // namespace dstorch::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dstorch::ops::cpu {

HWY_EXPORT(run_linear);
HWY_EXPORT(run_linear_gate);
HWY_EXPORT(run_gate);
HWY_EXPORT(run_norm_rows);

void linear(const LinearCall& call) {
  if (call.x.count > 0) {
    HWY_DYNAMIC_DISPATCH(run_linear)(call);
  }
}

void linear_gate(const LinearGateCall& call) {
  if (call.x.count > 0) {
    HWY_DYNAMIC_DISPATCH(run_linear_gate)(call);
  }
}

void gate(const GateCall& call) {
  if (call.gates.count > 0) {
    HWY_DYNAMIC_DISPATCH(run_gate)(call);
  }
}

void norm(const Rows& x, const Norm& norm, float* y, int64_t y_stride) {
  if (x.count > 0) {
    HWY_DYNAMIC_DISPATCH(run_norm_rows)(x, norm, y, y_stride);
  }
}

}  // namespace dstorch::ops::cpu
#endif
