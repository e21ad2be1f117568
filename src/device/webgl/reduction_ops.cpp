// Sums, means, extremes, norms; softmax and layer norm.
#include <fmt/core.h>

#include <cmath>

#include "device/webgl/backend.h"
#include "device/webgl/fallback.h"
#include "device/webgl/reduce.h"

namespace dstorch::webgl {
namespace {

using at::Tensor;

std::vector<int64_t> without(at::IntArrayRef sizes, at::IntArrayRef dims, bool keep) {
  const auto rank = static_cast<int64_t>(sizes.size());
  std::vector<bool> reduced(sizes.size(), dims.empty());
  for (const auto d : dims) {
    reduced[static_cast<std::size_t>(d < 0 ? d + rank : d)] = true;
  }
  std::vector<int64_t> result;
  for (std::size_t d = 0; d < sizes.size(); ++d) {
    if (!reduced[d]) {
      result.push_back(sizes[d]);
    } else if (keep) {
      result.push_back(1);
    }
  }
  return result;
}

int64_t reduced_count(const Tensor& self, at::IntArrayRef dims) {
  int64_t count = 1;
  for (const auto d : dims) {
    count *= self.size(d);
  }
  return dims.empty() ? self.numel() : count;
}

bool takes(const Tensor& self, const Tensor& out) { return shader_takes(self) && shader_takes(out); }

/// Into `out`, whatever its strides.
void reduce_into(const Reduction& reduction, const Tensor& self, at::IntArrayRef dims, bool keep, Tensor& out,
                 double scale = 1) {
  const auto sizes = without(self.sizes(), dims, keep);
  resize_out(out, sizes);
  if (out.is_contiguous()) {
    reduce(reduction, self, dims, out, scale);
    return;
  }
  const auto dense = empty(sizes, out.scalar_type());
  reduce(reduction, self, dims, dense, scale);
  out.copy_(dense);
}

Tensor& sum(const Tensor& self, at::OptionalIntArrayRef dims, bool keep, c10::optional<at::ScalarType> dtype,
            Tensor& out) {
  if (!takes(self, out)) {
    return fallback<at::_ops::sum_IntList_out>(self, dims, keep, dtype, out);
  }
  reduce_into(kSum, self, dims.value_or(at::IntArrayRef{}), keep, out);
  return out;
}

Tensor& mean(const Tensor& self, at::OptionalIntArrayRef dims, bool keep, c10::optional<at::ScalarType> dtype,
             Tensor& out) {
  if (!takes(self, out)) {
    return fallback<at::_ops::mean_out>(self, dims, keep, dtype, out);
  }
  const auto over = dims.value_or(at::IntArrayRef{});
  reduce_into(kSum, self, over, keep, out, 1.0 / static_cast<double>(reduced_count(self, over)));
  return out;
}

template <typename Op, const Reduction& reduction>
Tensor& extreme(const Tensor& self, at::IntArrayRef dims, bool keep, Tensor& out) {
  if (!takes(self, out)) {
    return fallback<Op>(self, dims, keep, out);
  }
  reduce_into(reduction, self, dims, keep, out);
  return out;
}

/// The first place of the largest: the least index among the elements equal to it.
Tensor& argmax(const Tensor& self, c10::optional<int64_t> dim, bool keep, Tensor& out) {
  if (!shader_takes(self) || self.numel() == 0 || self.dim() == 0) {
    return fallback<at::_ops::argmax_out>(self, dim, keep, out);
  }
  const auto rows = dim ? self : self.reshape({-1});
  const auto along = dim ? (*dim < 0 ? *dim + self.dim() : *dim) : 0;
  const auto length = rows.size(along);
  std::vector<int64_t> line(static_cast<std::size_t>(rows.dim()), 1);
  line[static_cast<std::size_t>(along)] = length;
  const auto places = at::arange(length, self.options().dtype(at::kLong)).view(line);
  const auto largest = rows.amax(along, true);
  // NaN counts as the largest, and is not equal to itself.
  const auto hits = rows.eq(largest).logical_or(rows.ne(rows));
  const auto none = at::full({}, length - 1, self.options().dtype(at::kLong));
  const auto first = at::where(hits, places, none).amin(along, keep);
  const auto sizes = dim || !keep ? first.sizes().vec() : std::vector<int64_t>(static_cast<std::size_t>(self.dim()), 1);
  resize_out(out, sizes);
  out.copy_(first.view(sizes));
  return out;
}

/// Keeps what lies on one side of a diagonal and makes the rest zero.
template <typename Op, bool lower>
Tensor& triangle(const Tensor& self, int64_t diagonal, Tensor& out) {
  if (!shader_takes(self) || self.dim() < 2) {
    return fallback<Op>(self, diagonal, out);
  }
  const auto options = self.options().dtype(at::kInt);
  const auto rows = at::arange(self.size(-2), options).unsqueeze(1);
  const auto columns = at::arange(self.size(-1), options).sub_(diagonal).unsqueeze(0);
  const auto made = self.masked_fill(lower ? columns > rows : columns < rows, 0);
  resize_out(out, self.sizes());
  out.copy_(made);
  return out;
}

/// sqrt(sum of squares); other orders go to the CPU.
Tensor& vector_norm(const Tensor& self, const at::Scalar& order, at::OptionalIntArrayRef dims, bool keep,
                    c10::optional<at::ScalarType> dtype, Tensor& out) {
  if (!takes(self, out) || !self.is_floating_point() || order.to<double>() != 2) {
    return fallback<at::_ops::linalg_vector_norm_out>(self, order, dims, keep, dtype, out);
  }
  reduce_into(kSquares, self, dims.value_or(at::IntArrayRef{}), keep, out);
  return at::sqrt_out(out, out);
}

Tensor& norm(const Tensor& self, const c10::optional<at::Scalar>& order, at::IntArrayRef dims, bool keep, Tensor& out) {
  return vector_norm(self, order.value_or(2), dims, keep, c10::nullopt, out);
}

// Each invocation one row: the largest, the sum of the exponentials, the result.
constexpr const char* kSoftmax = R"(
uniform int count, offset_out, offset_a, length, inner;
void main() {
  int row = flat_index();
  if (row >= count) { return; }
  int outer = row / inner;
  int base = outer * length * inner + (row - outer * inner);
  float most = uintBitsToFloat(0xFF800000u);
  for (int i = 0; i < length; ++i) { most = max(most, load_a(offset_a + base + i * inner)); }
  float sum = 0.0;
  for (int i = 0; i < length; ++i) { sum += exp(load_a(offset_a + base + i * inner) - most); }
  RESULT
  for (int i = 0; i < length; ++i) {
    float value = load_a(offset_a + base + i * inner) - most;
    store_out(offset_out + base + i * inner, VALUE);
  }
}
)";

void softmax_rows(const Tensor& self, int64_t dim, bool logarithm, const Tensor& out) {
  constexpr int64_t local_size = 8;
  const auto length = self.size(dim);
  int64_t inner = 1;
  for (int64_t d = dim + 1; d < self.dim(); ++d) {
    inner *= self.size(d);
  }
  if ((!fits(self) || !fits(out)) && self.numel() > length) {
    // By rows of the first dimension that has several.
    int64_t along = 0;
    while (along == dim || self.size(along) == 1) {
      ++along;
    }
    const auto half = self.size(along) / 2;
    for (const auto& [begin, size] : {std::pair{int64_t{0}, half}, std::pair{half, self.size(along) - half}}) {
      const auto part = self.narrow(along, begin, size).contiguous();
      const auto made = empty(part.sizes(), out.scalar_type());
      softmax_rows(part, dim, logarithm, made);
      out.narrow(along, begin, size).copy_(made);
    }
    return;
  }
  Launch launch(fmt::format("softmax {} {} {}", logarithm, static_cast<int>(self.scalar_type()),
                            static_cast<int>(out.scalar_type())),
                [&] {
                  return flat_index(local_size) + accessor("out", 0, out.scalar_type(), true) +
                         accessor("a", 0, self.scalar_type(), false) +
                         (logarithm ? "#define RESULT float shift = log(sum);\n#define VALUE value - shift\n"
                                    : "#define RESULT float scale = 1.0 / sum;\n#define VALUE exp(value) * scale\n") +
                         kSoftmax;
                });
  const auto count = self.numel() / length;
  launch.set("count", count).set("length", length).set("inner", inner);
  bind(launch, 0, view_of(self), false, "offset_a");
  bind(launch, 0, view_of(out), true, "offset_out");
  launch.run_flat(count, local_size);
}

template <typename Op, bool logarithm>
Tensor& softmax(const Tensor& self, int64_t dim, bool half_to_float, Tensor& out) {
  if (!takes(self, out) || !self.is_floating_point()) {
    return fallback<Op>(self, dim, half_to_float, out);
  }
  resize_out(out, self.sizes());
  if (self.numel() == 0) {
    return out;
  }
  const auto input = self.dim() == 0 ? self.view({1}) : self.contiguous();
  const auto along = dim < 0 ? dim + input.dim() : dim;
  if (out.is_contiguous() && !out.storage().is_alias_of(input.storage())) {
    softmax_rows(input, along, logarithm, out.view(input.sizes()));
  } else {
    const auto dense = empty(input.sizes(), out.scalar_type());
    softmax_rows(input, along, logarithm, dense);
    out.copy_(dense.view(out.sizes()));
  }
  return out;
}

Tensor& softmax_backward(const Tensor& grad, const Tensor& output, int64_t dim, at::ScalarType dtype, Tensor& out) {
  if (!takes(grad, out) || dtype != grad.scalar_type()) {
    return fallback<at::_ops::_softmax_backward_data_out>(grad, output, dim, dtype, out);
  }
  // In `out` itself, which is as large as the scores of a layer: no other tensor of that size.
  if (out.is_alias_of(output)) {
    return out.copy_(at::_softmax_backward_data(grad, output, dim, dtype));
  }
  resize_out(out, grad.sizes());
  at::mul_out(out, grad, output);
  const auto sums = out.sum(dim, true);
  return out.addcmul_(output, sums, -1);
}

Tensor& log_softmax_backward(const Tensor& grad, const Tensor& output, int64_t dim, at::ScalarType dtype, Tensor& out) {
  if (!takes(grad, out) || dtype != grad.scalar_type()) {
    return fallback<at::_ops::_log_softmax_backward_data_out>(grad, output, dim, dtype, out);
  }
  if (out.is_alias_of(grad)) {
    return out.copy_(at::_log_softmax_backward_data(grad, output, dim, dtype));
  }
  resize_out(out, grad.sizes());
  const auto sums = grad.sum(dim, true);
  at::exp_out(out, output).mul_(sums);
  return at::sub_out(out, grad, out);
}

/// The last dimensions, over which a layer is normed, as one: [rows, features].
Tensor as_rows(const Tensor& x, std::size_t normalized) {
  int64_t features = 1;
  for (std::size_t d = 0; d < normalized; ++d) {
    features *= x.size(-1 - static_cast<int64_t>(d));
  }
  return x.reshape({-1, features});
}

std::tuple<Tensor, Tensor, Tensor> layer_norm(const Tensor& x, at::IntArrayRef shape,
                                              const c10::optional<Tensor>& weight, const c10::optional<Tensor>& bias,
                                              double eps) {
  if (!shader_takes(x) || x.numel() == 0) {
    return fallback<at::_ops::native_layer_norm>(x, shape, weight, bias, eps);
  }
  const auto rows = as_rows(x, shape.size());
  const auto mean = rows.mean(1, true);
  const auto centred = rows - mean;
  const auto rstd = at::rsqrt(centred.square().mean(1, true).add_(eps));
  auto y = centred.mul_(rstd).view(x.sizes());
  if (weight && weight->defined()) {
    y.mul_(*weight);
  }
  if (bias && bias->defined()) {
    y.add_(*bias);
  }
  auto statistics = x.sizes().vec();
  std::fill(statistics.end() - static_cast<std::ptrdiff_t>(shape.size()), statistics.end(), 1);
  return {y, mean.view(statistics), rstd.view(statistics)};
}

std::tuple<Tensor, Tensor, Tensor> layer_norm_backward(const Tensor& grad, const Tensor& x, at::IntArrayRef shape,
                                                       const Tensor& mean, const Tensor& rstd,
                                                       const c10::optional<Tensor>& weight,
                                                       const c10::optional<Tensor>& bias, std::array<bool, 3> wanted) {
  if (!shader_takes(grad) || !shader_takes(x) || x.numel() == 0) {
    return fallback<at::_ops::native_layer_norm_backward>(grad, x, shape, mean, rstd, weight, bias, wanted);
  }
  const auto rows = as_rows(x, shape.size());
  const auto dy = as_rows(grad, shape.size());
  const auto scale = rstd.reshape({-1, 1});
  const auto normed = (rows - mean.reshape({-1, 1})) * scale;
  Tensor dx;
  Tensor dweight;
  Tensor dbias;
  if (wanted[0]) {
    const auto inner = weight && weight->defined() ? dy * weight->reshape({1, -1}) : dy;
    dx = (scale * (inner - inner.mean(1, true) - normed * (inner * normed).mean(1, true))).view(x.sizes());
  }
  if (wanted[1]) {
    dweight = (dy * normed).sum(0).view(shape);
  }
  if (wanted[2]) {
    dbias = dy.sum(0).view(shape);
  }
  return {dx, dweight, dbias};
}

}  // namespace

void register_reduction_ops(torch::Library& library) {
  namespace ops = at::_ops;
  library.impl("sum.IntList_out", TORCH_FN(sum));
  library.impl("mean.out", TORCH_FN(mean));
  library.impl("amax.out", TORCH_FN((extreme<ops::amax_out, kMax>)));
  library.impl("amin.out", TORCH_FN((extreme<ops::amin_out, kMin>)));
  library.impl("argmax.out", TORCH_FN(argmax));
  library.impl("tril.out", TORCH_FN((triangle<ops::tril_out, true>)));
  library.impl("triu.out", TORCH_FN((triangle<ops::triu_out, false>)));
  library.impl("linalg_vector_norm.out", TORCH_FN(vector_norm));
  library.impl("norm.out", TORCH_FN(norm));
  library.impl("_softmax.out", TORCH_FN((softmax<ops::_softmax_out, false>)));
  library.impl("_log_softmax.out", TORCH_FN((softmax<ops::_log_softmax_out, true>)));
  library.impl("_softmax_backward_data.out", TORCH_FN(softmax_backward));
  library.impl("_log_softmax_backward_data.out", TORCH_FN(log_softmax_backward));
  library.impl("native_layer_norm", TORCH_FN(layer_norm));
  library.impl("native_layer_norm_backward", TORCH_FN(layer_norm_backward));
}

}  // namespace dstorch::webgl
