#include "device/webgl/elementwise.h"

#include <array>

#include "core/throw.h"

namespace dstorch::webgl {
namespace {

constexpr std::size_t kMostDims = 8;
constexpr int64_t kElementwiseSize = 64;
constexpr std::array<const char*, 3> kNames{"a", "b", "c"};

/// Dimensions of an iteration, innermost first, and each operand's steps along them.
struct Loop {
  c10::SmallVector<int64_t, kMostDims> sizes;
  std::array<c10::SmallVector<int64_t, kMostDims>, 4> strides;  // out, inputs
};

/// Joins dimensions that every operand walks in one stride.
Loop collapse(const View& out, const c10::SmallVector<View, 3>& inputs) {
  Loop loop;
  const auto operands = inputs.size() + 1;
  const auto stride = [&](std::size_t operand, std::size_t d) {
    return operand == 0 ? out.strides[d] : inputs[operand - 1].strides[d];
  };
  for (std::size_t d = out.sizes.size(); d-- > 0;) {
    if (out.sizes[d] == 1) {
      continue;
    }
    bool joins = !loop.sizes.empty();
    for (std::size_t i = 0; i < operands && joins; ++i) {
      joins = stride(i, d) == loop.strides[i].back() * loop.sizes.back();
    }
    if (joins) {
      loop.sizes.back() *= out.sizes[d];
      continue;
    }
    loop.sizes.push_back(out.sizes[d]);
    for (std::size_t i = 0; i < operands; ++i) {
      loop.strides[i].push_back(stride(i, d));
    }
  }
  if (loop.sizes.empty()) {
    loop.sizes.push_back(1);
    for (std::size_t i = 0; i < operands; ++i) {
      loop.strides[i].push_back(1);
    }
  }
  return loop;
}

bool computes_in_float(const Expression& expression, at::ScalarType out, const c10::SmallVector<View, 3>& inputs) {
  bool in_float = expression.in_float || (inputs.empty() && at::isFloatingType(out));
  for (const auto& input : inputs) {
    in_float = in_float || at::isFloatingType(input.dtype);
  }
  return in_float;
}

std::string shader(const Expression& expression, at::ScalarType out, const c10::SmallVector<View, 3>& inputs,
                   std::size_t rank) {
  const char* type = computes_in_float(expression, out, inputs) ? "float" : "int";
  auto text = flat_index(kElementwiseSize);
  text += kConversions;
  text += accessor("out", 0, out, true);
  text += "uniform int count, offset_out;\nuniform float p, q;\n";
  text += fmt::format("{0} num(float v) {{ return {0}(v); }}\n", type);
  text += fmt::format("uniform int sizes[{0}], steps_out[{0}];\n{1}\n", rank, expression.functions);
  std::string offsets = "int at_out = offset_out;";
  std::string steps = "at_out += place * steps_out[d];";
  std::string loads;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].buffer == nullptr) {
      text += fmt::format("uniform {1} number_{0};\n", kNames[i], type);
      loads += fmt::format("  {0} {1} = number_{1};\n", type, kNames[i]);
      continue;
    }
    text += accessor(kNames[i], static_cast<int>(i), inputs[i].dtype, false);
    text += fmt::format("uniform int offset_{0}, steps_{0}[{1}];\n", kNames[i], rank);
    offsets += fmt::format(" int at_{0} = offset_{0};", kNames[i]);
    steps += fmt::format(" at_{0} += place * steps_{0}[d];", kNames[i]);
    loads += fmt::format("  {0} {1} = to_{0}(load_{1}(at_{1}));\n", type, kNames[i]);
  }
  const char* store = out == at::kBool ? "to_bool" : at::isFloatingType(out) ? "to_float" : "to_int";
  return text + fmt::format(R"(
void main() {{
  int element = flat_index();
  if (element >= count) {{ return; }}
  int rest = element;
  {0}
  for (int d = 0; d < {1}; ++d) {{
    int place = rest;
    if (d + 1 < {1}) {{ rest /= sizes[d]; place -= rest * sizes[d]; }}
    {2}
  }}
{3}  store_out(at_out, {4}({5}));
}}
)",
                            offsets, rank, steps, loads, store, expression.code);
}

/// One dispatch where everything fits its binding, else halves of the longest dimension.
void run(const Expression& expression, const std::string& key, const View& out, const c10::SmallVector<View, 3>& inputs,
         const Loop& loop, Numbers numbers) {
  const auto reach = [&](std::size_t operand) {
    int64_t elements = 0;
    for (std::size_t d = 0; d < loop.sizes.size(); ++d) {
      elements += (loop.sizes[d] - 1) * loop.strides[operand][d];
    }
    return elements;
  };
  bool all_fit = fits(out, out.offset, out.offset + reach(0));
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    all_fit =
        all_fit && (inputs[i].buffer == nullptr || fits(inputs[i], inputs[i].offset, inputs[i].offset + reach(i + 1)));
  }
  if (!all_fit) {
    // The dimension along which the operands reach farthest.
    std::size_t widest = 0;
    int64_t most = -1;
    for (std::size_t d = 0; d < loop.sizes.size(); ++d) {
      for (std::size_t i = 0; i <= inputs.size(); ++i) {
        const auto span = (loop.sizes[d] - 1) * loop.strides[i][d];
        if (span > most) {
          most = span;
          widest = d;
        }
      }
    }
    const auto half = loop.sizes[widest] / 2;
    auto first = loop;
    first.sizes[widest] = half;
    auto second = loop;
    second.sizes[widest] -= half;
    auto second_out = out;
    second_out.offset += half * loop.strides[0][widest];
    auto second_inputs = inputs;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      second_inputs[i].offset += half * loop.strides[i + 1][widest];
    }
    run(expression, key, out, inputs, first, numbers);
    run(expression, key, second_out, second_inputs, second, numbers);
    return;
  }
  const auto rank = loop.sizes.size();
  Launch launch(key, [&] { return shader(expression, out.dtype, inputs, rank); });
  const auto set = [&](const char* name, const c10::SmallVector<int64_t, kMostDims>& values) {
    std::array<int, kMostDims> numbers32{};
    for (std::size_t d = 0; d < rank; ++d) {
      numbers32[d] = static_cast<int>(values[d]);
    }
    launch.set(name, std::span<const int>(numbers32.data(), rank));
  };
  static constexpr std::array<const char*, 4> kSteps{"steps_out", "steps_a", "steps_b", "steps_c"};
  static constexpr std::array<const char*, 4> kOffsets{"offset_out", "offset_a", "offset_b", "offset_c"};
  int64_t count = 1;
  for (const auto size : loop.sizes) {
    count *= size;
  }
  launch.set("count", count).set("p", numbers.p).set("q", numbers.q);
  set("sizes", loop.sizes);
  bind_range(launch, 0, out, out.offset, out.offset + reach(0), true, kOffsets[0]);
  set(kSteps[0], loop.strides[0]);
  static constexpr std::array<const char*, 3> kNumbers{"number_a", "number_b", "number_c"};
  const bool in_float = computes_in_float(expression, out.dtype, inputs);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].buffer == nullptr) {
      if (in_float) {
        launch.set(kNumbers[i], inputs[i].number);
      } else {
        launch.set(kNumbers[i], static_cast<int64_t>(inputs[i].number));
      }
      continue;
    }
    bind_range(launch, static_cast<int>(i), inputs[i], inputs[i].offset, inputs[i].offset + reach(i + 1), false,
               kOffsets[i + 1]);
    set(kSteps[i + 1], loop.strides[i + 1]);
  }
  launch.run_flat(count, kElementwiseSize);
}

}  // namespace

void elementwise(const Expression& expression, const View& out, const c10::SmallVector<View, 3>& inputs,
                 Numbers numbers) {
  if (out.numel() == 0) {
    return;
  }
  const auto loop = collapse(out, inputs);
  require(loop.sizes.size() <= kMostDims, ErrorKind::unsupported,
          "webgl: a tensor of {} dimensions in no order is too many for {} (at most {}); make it contiguous first",
          loop.sizes.size(), expression.name, kMostDims);
  auto key = fmt::format("elementwise {} {} {}", expression.name, loop.sizes.size(), static_cast<int>(out.dtype));
  for (const auto& input : inputs) {
    key += fmt::format(" {}{}", input.buffer == nullptr ? "number" : "", static_cast<int>(input.dtype));
  }
  run(expression, key, out, inputs, loop, numbers);
}

namespace {

bool is_number(const at::Tensor& input) { return !on_device(input) && input.device().is_cpu() && input.numel() == 1; }

}  // namespace

bool elementwise_takes(const at::Tensor& out, std::initializer_list<at::Tensor> inputs) {
  bool takes = shader_takes(out);
  for (const auto& input : inputs) {
    takes = takes && (is_number(input) ? !input.is_complex() : shader_takes(input));
  }
  return takes;
}

void elementwise(const Expression& expression, const at::Tensor& out, std::initializer_list<at::Tensor> inputs,
                 Numbers numbers) {
  if (out.numel() == 0) {
    return;
  }
  c10::SmallVector<View, 3> views;
  for (const auto& input : inputs) {
    if (!is_number(input)) {
      views.push_back(view_of(input.expand(out.sizes())));
      continue;
    }
    View number;
    number.number = input.item().to<double>();
    number.dtype = input.scalar_type();
    number.sizes.assign(out.dim(), 0);
    number.strides.assign(out.dim(), 0);
    views.push_back(std::move(number));
  }
  elementwise(expression, view_of(out), views, numbers);
}

}  // namespace dstorch::webgl
