#include "device/webgl/reduce.h"

#include <algorithm>
#include <array>

#include "core/throw.h"

namespace dstorch::webgl {

const Reduction kSum{.name = "sum", .first = "num(0.0)", .join = "sum += value;"};
const Reduction kSquares{.name = "squares", .first = "num(0.0)", .join = "sum += value;", .element = "value * value"};
// NaN wins, as in LibTorch.
const Reduction kMax{
    .name = "max", .first = "LEAST", .join = "if (!is_nan(sum) && (is_nan(value) || value > sum)) { sum = value; }"};
const Reduction kMin{
    .name = "min", .first = "MOST", .join = "if (!is_nan(sum) && (is_nan(value) || value < sum)) { sum = value; }"};

namespace {

constexpr std::size_t kReducedDims = 8;
constexpr int64_t kReduceSize = 16;
/// Elements one invocation joins; longer rows are reduced in several rounds.
constexpr int64_t kPart = 512;

/// rows: sizes and steps of what is kept. Each row has `length` elements, `step` apart, cut into parts.
struct Rows {
  View source;
  c10::SmallVector<int64_t, kReducedDims> sizes;  // innermost first
  c10::SmallVector<int64_t, kReducedDims> strides;
  int64_t length = 1;
  int64_t step = 1;
};

std::string shader(const Reduction& reduction, at::ScalarType from, at::ScalarType to, std::size_t rank, bool first) {
  const bool in_float = at::isFloatingType(from) || at::isFloatingType(to);
  return flat_index(kReduceSize) + kConversions + accessor("out", 0, to, true) + accessor("a", 0, from, false) +
         fmt::format(R"(
#define LEAST {8}
#define MOST {9}
uniform int first, count, offset_out, offset_a, length, part_length, parts, step_a;
uniform float scale;
uniform int sizes[{0}], steps[{0}];
{1} num(float v) {{ return {1}(v); }}
void main() {{
  int index = first + flat_index();
  if (index >= count) {{ return; }}
  int rest = index / parts;
  int part = index - rest * parts;
  int at_a = offset_a;
  for (int d = 0; d < {0}; ++d) {{
    int place = rest;
    if (d + 1 < {0}) {{ rest /= sizes[d]; place -= rest * sizes[d]; }}
    at_a += place * steps[d];
  }}
  {1} sum = {2};
  int end = min(length, (part + 1) * part_length);
  for (int i = part * part_length; i < end; ++i) {{
    {1} value = to_{1}(load_a(at_a + i * step_a));
    value = {3};
    {4}
  }}
  store_out(offset_out + index, to_{5}({6}sum{7}));
}}
)",
                     rank, in_float ? "float" : "int", reduction.first, first ? reduction.element : "value",
                     reduction.join,
                     to == at::kBool          ? "bool"
                     : at::isFloatingType(to) ? "float"
                                              : "int",
                     in_float ? "scale * " : "", "", in_float ? "uintBitsToFloat(0xFF800000u)" : "(-2147483647 - 1)",
                     in_float ? "uintBitsToFloat(0x7F800000u)" : "2147483647");
}

void dispatch(const Reduction& reduction, const std::string& key, const Rows& rows, const View& out, int64_t first,
              int64_t count, int64_t parts, double scale, bool first_round) {
  // The elements that rows first / parts .. (count - 1) / parts touch: at most those of the whole.
  auto shown = rows.source;
  shown.sizes.assign(rows.sizes.begin(), rows.sizes.end());
  shown.strides.assign(rows.strides.begin(), rows.strides.end());
  shown.sizes.push_back(rows.length);
  shown.strides.push_back(rows.step);
  const auto rank = rows.sizes.size();
  Launch launch(key, [&] { return shader(reduction, rows.source.dtype, out.dtype, rank, first_round); });
  std::array<int, kReducedDims> sizes{};
  std::array<int, kReducedDims> steps{};
  for (std::size_t d = 0; d < rank; ++d) {
    sizes[d] = static_cast<int>(rows.sizes[d]);
    steps[d] = static_cast<int>(rows.strides[d]);
  }
  launch.set("first", first).set("count", count).set("length", rows.length).set("parts", parts);
  launch.set("part_length", std::min(kPart, rows.length)).set("step_a", rows.step).set("scale", scale);
  launch.set("sizes", std::span<const int>(sizes.data(), rank)).set("steps", std::span<const int>(steps.data(), rank));
  bind(launch, 0, shown, false, "offset_a");
  bind_range(launch, 0, out, out.offset + first, out.offset + count - 1, true, "offset_out");
  launch.run_flat(count - first, kReduceSize);
}

/// Halves the longest kept dimension until a dispatch's rows fit a binding.
void run(const Reduction& reduction, const Rows& rows, const at::Tensor& out, double scale, bool first_round);

void run_whole(const Reduction& reduction, const Rows& rows, const at::Tensor& out, double scale, bool first_round) {
  const auto parts = (rows.length + kPart - 1) / kPart;
  const auto key = fmt::format("reduce {} {} {} {} {}", reduction.name, rows.sizes.size(),
                               static_cast<int>(rows.source.dtype), static_cast<int>(out.scalar_type()), first_round);
  dispatch(reduction, key, rows, view_of(out), 0, out.numel(), parts, scale, first_round);
}

void run(const Reduction& reduction, const Rows& rows, const at::Tensor& out, double scale, bool first_round) {
  // out: contiguous [rows..., parts], the rows' dimensions outermost first.
  auto all = rows.source;
  all.sizes.assign(rows.sizes.begin(), rows.sizes.end());
  all.strides.assign(rows.strides.begin(), rows.strides.end());
  all.sizes.push_back(rows.length);
  all.strides.push_back(rows.step);
  if (fits(all) && fits(out)) {
    run_whole(reduction, rows, out, scale, first_round);
    return;
  }
  const auto outermost = rows.sizes.size() - 1;
  const auto parts = (rows.length + kPart - 1) / kPart;
  if (rows.sizes[outermost] > 1) {
    auto low = rows;
    auto high = rows;
    const auto half = rows.sizes[outermost] / 2;
    low.sizes[outermost] = half;
    high.sizes[outermost] -= half;
    high.source.offset += half * rows.strides[outermost];
    const auto flat = out.view({-1});
    const auto split = flat.numel() / rows.sizes[outermost] * half;
    run(reduction, low, flat.narrow(0, 0, split), scale, first_round);
    run(reduction, high, flat.narrow(0, split, flat.numel() - split), scale, first_round);
    return;
  }
  if (rows.sizes.size() > 1) {
    auto inner = rows;
    inner.sizes.pop_back();
    inner.strides.pop_back();
    run(reduction, inner, out, scale, first_round);
    return;
  }
  // One row that does not fit: its parts in two groups.
  require(parts > 1, ErrorKind::unsupported, "webgl: {} elements in a stride of {} are more than one binding shows",
          rows.length, rows.step);
  auto low = rows;
  auto high = rows;
  low.length = parts / 2 * kPart;
  high.length -= low.length;
  high.source.offset += low.length * rows.step;
  const auto flat = out.view({-1});
  run(reduction, low, flat.narrow(0, 0, parts / 2), scale, first_round);
  run(reduction, high, flat.narrow(0, parts / 2, parts - parts / 2), scale, first_round);
}

}  // namespace

void reduce(const Reduction& reduction, const at::Tensor& self, at::IntArrayRef dims, const at::Tensor& out,
            double scale) {
  if (out.numel() == 0) {
    return;
  }
  std::vector<bool> reduced(static_cast<std::size_t>(self.dim()), dims.empty());
  for (const auto d : dims) {
    reduced[static_cast<std::size_t>(d < 0 ? d + self.dim() : d)] = true;
  }
  std::vector<int64_t> order;
  int64_t length = 1;
  std::vector<int64_t> last;
  for (int64_t d = 0; d < self.dim(); ++d) {
    if (reduced[static_cast<std::size_t>(d)]) {
      last.push_back(d);
      length *= self.size(d);
    } else {
      order.push_back(d);
    }
  }
  if (length == 0) {  // of nothing: what a sum starts as
    out.fill_(0);
    return;
  }
  const auto kept = order.size();
  order.insert(order.end(), last.begin(), last.end());
  auto arranged = self.permute(order);  // [kept..., reduced...]
  // The reduced dimensions must be one walk; otherwise a copy makes them so.
  int64_t step = 0;
  const auto one_walk = [&] {
    step = 1;
    int64_t expected = -1;
    for (int64_t d = arranged.dim() - 1; d >= static_cast<int64_t>(kept); --d) {
      if (arranged.size(d) == 1) {
        continue;
      }
      if (expected == -1) {
        step = arranged.stride(d);
      } else if (arranged.stride(d) != expected) {
        return false;
      }
      expected = arranged.stride(d) * arranged.size(d);
    }
    return true;
  };
  // Also where one part of a row would span more than a binding shows.
  const auto spans = [&] { return std::min(kPart, length) * step * static_cast<int64_t>(self.element_size()); };
  if (!one_walk() || kept > kReducedDims || !stretch_fits(spans())) {
    arranged = arranged.contiguous();
    one_walk();
  }
  Rows rows;
  rows.source = view_of(arranged);
  for (std::size_t d = kept; d-- > 0;) {
    rows.sizes.push_back(arranged.size(static_cast<int64_t>(d)));
    rows.strides.push_back(arranged.stride(static_cast<int64_t>(d)));
  }
  if (rows.sizes.empty()) {
    rows.sizes.push_back(1);
    rows.strides.push_back(0);
  }
  rows.length = length;
  rows.step = step;
  bool first_round = true;
  at::Tensor partial = arranged;  // what the rows read stays until the dispatch is made
  while (rows.length > kPart) {
    const auto parts = (rows.length + kPart - 1) / kPart;
    const auto next = empty({out.numel() * parts}, at::isFloatingType(self.scalar_type())  ? at::kFloat
                                                   : at::isFloatingType(out.scalar_type()) ? at::kFloat
                                                                                           : at::kInt);
    run(reduction, rows, next, 1, first_round);
    partial = next;
    rows.source = view_of(next);
    rows.sizes = {out.numel()};
    rows.strides = {parts};
    rows.length = parts;
    rows.step = 1;
    first_round = false;
  }
  run(reduction, rows, out, scale, first_round);
}

}  // namespace dstorch::webgl
