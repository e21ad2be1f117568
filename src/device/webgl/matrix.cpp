#include "device/webgl/matrix.h"

#include <array>

#include "core/throw.h"

namespace dstorch::webgl {
namespace {

/// How an operand is read. Four numbers at a time want their direction contiguous and everything in multiples of four.
enum class Reading {
  along_k,  ///< vec4 along the summed dimension
  across,   ///< vec4 along the other
  single,   ///< one number at a time, any strides
};

/// One invocation makes `rows` x `columns` of the product, in registers.
struct Shape {
  int rows = 8;
  int columns = 8;
  int local_x = 8;
  int local_y = 1;
};

struct Problem {
  View a;  // [batch, m, k]
  View c;  // [batch, k, n]
  View out;
  View added;
  bool has_added = false;
  double scale = 1;
  double beta = 0;
};

bool multiple_of_four(const View& view, std::size_t contiguous, std::size_t other) {
  const auto fits4 = [](int64_t value) { return value % 4 == 0; };
  return view.dtype == at::kFloat && (view.strides[contiguous] == 1 || view.sizes[contiguous] == 1) &&
         fits4(view.offset) && (fits4(view.strides[other]) || view.sizes[other] == 1) &&
         (fits4(view.strides[0]) || view.sizes[0] == 1);
}

Reading reading_of(const View& view, std::size_t k, std::size_t other) {
  if (view.sizes[k] % 4 != 0) {
    return Reading::single;
  }
  if (multiple_of_four(view, k, other)) {
    return Reading::along_k;
  }
  return multiple_of_four(view, other, k) && view.sizes[other] % 4 == 0 ? Reading::across : Reading::single;
}

/// GLSL that fills registers with four steps of k (one where an operand is read singly) of `count` rows or columns, and
/// what the number at (line, step) is called.
struct Loads {
  std::string text;
  std::string (*name)(const std::string& prefix, int line, int step) = nullptr;
};

Loads loads_of(const std::string& prefix, Reading reading, int count, int steps) {
  Loads loads;
  // PREFIX_at: of the first line; PREFIX_line, PREFIX_step: strides, in texels for vec4.
  switch (reading) {
    case Reading::along_k:
      for (int i = 0; i < count; ++i) {
        loads.text += fmt::format("    vec4 {0}{1} = fetch_{0}({0}_at{1} + (k >> 2));\n", prefix, i);
      }
      loads.name = [](const std::string& p, int line, int step) { return fmt::format("{}{}[{}]", p, line, step); };
      break;
    case Reading::across:
      for (int s = 0; s < steps; ++s) {
        for (int i = 0; i < count; i += 4) {
          loads.text +=
              fmt::format("    vec4 {0}{1}_{2} = fetch_{0}({0}_at{3} + (k + {1}) * {0}_step);\n", prefix, s, i / 4, i);
        }
      }
      loads.name = [](const std::string& p, int line, int step) {
        return fmt::format("{}{}_{}[{}]", p, step, line / 4, line % 4);
      };
      break;
    case Reading::single:
      for (int s = 0; s < steps; ++s) {
        for (int i = 0; i < count; ++i) {
          loads.text +=
              fmt::format("    float {0}{1}_{2} = load_{0}({0}_at{2} + (k + {1}) * {0}_step);\n", prefix, s, i);
        }
      }
      loads.name = [](const std::string& p, int line, int step) { return fmt::format("{}{}_{}", p, step, line); };
      break;
  }
  return loads;
}

std::string operand(const std::string& prefix, int slot, Reading reading, at::ScalarType dtype, int count) {
  std::string text =
      reading == Reading::single ? accessor(prefix, slot, dtype, false) : read_buffer(prefix, slot, Texel::f32x4);
  text += fmt::format("uniform int {0}_offset, {0}_batch, {0}_line, {0}_step;\n", prefix);
  static_cast<void>(count);
  return text;
}

/// Where each line (row of a, column of c) begins; lines past the end read the last one.
std::string lines(const std::string& prefix, Reading reading, int count, const std::string& first,
                  const std::string& total) {
  std::string text;
  const char* unit = reading == Reading::single ? "" : " >> 2";
  for (int i = 0; i < count; i += reading == Reading::across ? 4 : 1) {
    text += fmt::format("  int {0}_at{1} = ({0}_offset + batch * {0}_batch + min({2} + {1}, {3} - 1) * {0}_line){4};\n",
                        prefix, i, first, reading == Reading::across ? "(" + total + " + 3) / 4 * 4 - 3" : total, unit);
  }
  return text;
}

std::string shader(const Problem& problem, Reading a, Reading c, const Shape& shape) {
  const int steps = a == Reading::single || c == Reading::single ? 1 : 4;
  std::string text = fmt::format("layout(local_size_x = {}, local_size_y = {}) in;\n", shape.local_x, shape.local_y);
  text += operand("a", 0, a, problem.a.dtype, shape.rows) + operand("c", 1, c, problem.c.dtype, shape.columns);
  text += accessor("out", 0, problem.out.dtype, true);
  text +=
      "uniform int out_offset, out_batch, out_row, out_column, first_batch, m, n, k_end;\nuniform float scale, beta;\n";
  if (problem.has_added) {
    text += accessor("added", 2, problem.added.dtype, false);
    text += "uniform int added_offset, added_batch, added_row, added_column;\n";
  }
  text += fmt::format(R"(
void main() {{
  int row = int(gl_GlobalInvocationID.y) * {};
  int column = int(gl_GlobalInvocationID.x) * {};
  int batch = int(gl_WorkGroupID.z);
  if (row >= m || column >= n) {{ return; }}
)",
                      shape.rows, shape.columns);
  text += lines("a", a, shape.rows, "row", "m") + lines("c", c, shape.columns, "column", "n");
  const int groups = (shape.columns + 3) / 4;
  const bool wide = shape.columns >= 4;
  for (int i = 0; i < shape.rows; ++i) {
    for (int j = 0; j < groups; ++j) {
      text += wide ? fmt::format("  vec4 s{}_{} = vec4(0.0);\n", i, j) : fmt::format("  float s{}_{} = 0.0;\n", i, j);
    }
  }
  const auto a_loads = loads_of("a", a, shape.rows, steps);
  const auto c_loads = loads_of("c", c, shape.columns, steps);
  text += fmt::format("  for (int k = 0; k < k_end; k += {}) {{\n", steps) + a_loads.text + c_loads.text;
  for (int s = 0; s < steps; ++s) {
    for (int j = 0; j < groups; ++j) {
      std::string right;
      if (!wide) {
        right = c_loads.name("c", 0, s);
      } else if (c == Reading::across) {
        right = fmt::format("c{}_{}", s, j);
      } else {
        right = fmt::format("vec4({}, {}, {}, {})", c_loads.name("c", 4 * j, s), c_loads.name("c", 4 * j + 1, s),
                            c_loads.name("c", 4 * j + 2, s), c_loads.name("c", 4 * j + 3, s));
      }
      for (int i = 0; i < shape.rows; ++i) {
        text += fmt::format("    s{0}_{1} += {2} * {3};\n", i, j, a_loads.name("a", i, s), right);
      }
    }
  }
  text += "  }\n";
  for (int i = 0; i < shape.rows; ++i) {
    for (int j = 0; j < shape.columns; ++j) {
      const auto sum = wide ? fmt::format("s{}_{}[{}]", i, j / 4, j % 4) : fmt::format("s{}_{}", i, j);
      const auto added = problem.has_added
                             ? fmt::format(
                                   " + beta * load_added(added_offset + batch * added_batch + (row + {}) * "
                                   "added_row + (column + {}) * added_column)",
                                   i, j)
                             : "";
      text += fmt::format(
          "  if (row + {0} < m && column + {1} < n) {{ store_out(out_offset + batch * out_batch + (row + {0}) * "
          "out_row "
          "+ (column + {1}) * out_column, scale * {2}{3}); }}\n",
          i, j, sum, added);
    }
  }
  return text + "}\n";
}

Shape shape_for(int64_t m, bool vectors, bool software) {
  Shape shape;
  if (m == 1) {
    shape = {1, vectors ? 4 : 1, 8, 1};
  } else if (m <= 4 || !vectors) {
    shape = {4, 4, 8, 1};
  }
  if (!software) {
    // A graphics card wants whole warps that share their operands' cache lines.
    shape.local_y = m >= 8 * shape.rows ? 8 : 1;
    shape.local_x = shape.local_y == 1 ? 32 : 8;
  }
  return shape;
}

void halve(View& view, std::size_t d, bool second) {
  auto half = view.sizes[d] / 2;
  half -= half > 64 ? half % 64 : 0;  // what is read by four stays so
  if (second) {
    view.offset += half * view.strides[d];
    view.sizes[d] -= half;
  } else {
    view.sizes[d] = half;
  }
}

void run(const Problem& problem) {
  const auto& limits = Context::get().limits();
  const bool a_fits = fits(problem.a);
  const bool c_fits = fits(problem.c);
  const bool rest_fits = fits(problem.out) && (!problem.has_added || fits(problem.added));
  const auto batch = problem.out.sizes[0];
  const bool too_long = problem.out.numel() > 1 && problem.out.numel() * problem.a.sizes[2] > limits.work;
  if (!a_fits || !c_fits || !rest_fits || batch > limits.groups || too_long) {
    // By batch, else by the lines of the operand that does not fit, else by the longer side.
    const auto m = problem.out.sizes[1];
    const auto n = problem.out.sizes[2];
    const bool columns = !c_fits || (a_fits && rest_fits && n > m);
    const std::size_t d = batch > 1 ? 0 : (columns && n > 1) || m == 1 ? 2 : 1;
    require(problem.out.sizes[d] > 1, ErrorKind::unsupported,
            "webgl: one line of {} numbers of a matrix product is more than one binding shows; use --device cpu",
            problem.a.sizes[2]);
    for (const bool second : {false, true}) {
      auto part = problem;
      if (d != 2) {
        halve(part.a, d, second);
      }
      if (d != 1) {
        halve(part.c, d, second);
      }
      halve(part.out, d, second);
      if (part.has_added) {
        halve(part.added, d, second);
      }
      run(part);
    }
    return;
  }
  const auto m = problem.out.sizes[1];
  const auto n = problem.out.sizes[2];
  const auto k = problem.a.sizes[2];
  auto a = reading_of(problem.a, 2, 1);
  auto c = reading_of(problem.c, 1, 2);
  const bool vectors = a != Reading::single && c != Reading::single;
  if (!vectors) {
    a = c = Reading::single;
  }
  const auto shape = shape_for(m, vectors, limits.software);
  if (vectors && a == Reading::across && shape.rows % 4 != 0) {
    a = Reading::along_k;  // one row: its numbers along k are m apart, and m is 1
  }
  const auto key = fmt::format(
      "matrix {} {} {} {} {} {} {} {} {} {}", static_cast<int>(a), static_cast<int>(c), shape.rows, shape.columns,
      shape.local_x, shape.local_y, static_cast<int>(problem.a.dtype), static_cast<int>(problem.c.dtype),
      static_cast<int>(problem.out.dtype), problem.has_added ? static_cast<int>(problem.added.dtype) : -1);
  Launch launch(key, [&] { return shader(problem, a, c, shape); });
  const auto read = [&](const char* prefix, int slot, const View& view, Reading reading, std::size_t line,
                        std::size_t step) {
    const auto name = [&](const char* suffix) { return fmt::format("{}_{}", prefix, suffix); };
    bind_range(launch, slot, view, view.offset, view.last(), false, name("offset").c_str(),
               reading == Reading::single ? c10::nullopt : c10::make_optional(Texel::f32x4));
    launch.set(name("batch").c_str(), view.strides[0]).set(name("line").c_str(), view.strides[line]);
    launch.set(name("step").c_str(), reading == Reading::across ? view.strides[step] / 4 : view.strides[step]);
  };
  read("a", 0, problem.a, a, 1, 2);
  read("c", 1, problem.c, c, 2, 1);
  bind(launch, 0, problem.out, true, "out_offset");
  launch.set("out_batch", problem.out.strides[0]).set("out_row", problem.out.strides[1]);
  launch.set("out_column", problem.out.strides[2]);
  if (problem.has_added) {
    bind(launch, 2, problem.added, false, "added_offset");
    launch.set("added_batch", problem.added.strides[0]).set("added_row", problem.added.strides[1]);
    launch.set("added_column", problem.added.strides[2]);
  }
  launch.set("m", m).set("n", n).set("k_end", k).set("scale", problem.scale).set("beta", problem.beta);
  const auto groups = [](int64_t count, int size) { return (count + size - 1) / size; };
  launch.run(groups(n, shape.columns * shape.local_x), groups(m, shape.rows * shape.local_y), batch);
}

}  // namespace

void multiply(const at::Tensor& a, const at::Tensor& c, const at::Tensor& out, const Epilogue& epilogue) {
  if (out.numel() == 0) {
    return;
  }
  if (a.size(2) == 0) {
    if (epilogue.added.defined()) {
      at::mul_out(const_cast<at::Tensor&>(out), epilogue.added, at::scalar_tensor(epilogue.beta));
    } else {
      out.fill_(0);
    }
    return;
  }
  // Where one line of an operand spans more than a binding shows, a copy brings its numbers together.
  const auto scattered = [](const at::Tensor& x, int64_t k) {
    return !stretch_fits(x.size(k) * x.stride(k) * static_cast<int64_t>(x.element_size()));
  };
  const auto rows = scattered(a, 2) ? a.contiguous() : a;
  const auto columns = scattered(c, 1) ? c.transpose(1, 2).contiguous().transpose(1, 2) : c;
  Problem problem;
  problem.a = view_of(rows);
  problem.c = view_of(columns);
  problem.out = view_of(out);
  problem.scale = epilogue.scale;
  problem.beta = epilogue.beta;
  at::Tensor added;
  if (epilogue.added.defined() && epilogue.beta != 0) {
    added = epilogue.added.expand(out.sizes());
    problem.added = view_of(added);
    problem.has_added = true;
  }
  run(problem);
}

}  // namespace dstorch::webgl
