// Every operation that models and training use, on every device and dtype, against the CPU in float64.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "device/torch_types.h"
#include "device/webgl/webgl.h"
#include "support/devices.h"
#include "support/tolerances.h"

namespace dstorch {
namespace {

using at::Tensor;
using test::Compared;
using Tensors = std::vector<Tensor>;

/// Inputs are made in float64 and rounded to the dtype, so that every device sees the same numbers.
struct Case {
  const char* name;
  std::function<Tensors()> inputs;
  std::function<Tensor(const Tensors&)> run;
  /// Also compares gradients of all floating-point inputs.
  bool differentiable = true;
};

constexpr std::array<at::ScalarType, 3> kTypes{at::kFloat, at::kHalf, at::kBFloat16};

Tensor numbers(at::IntArrayRef sizes) { return at::randn(sizes, at::kDouble); }
Tensor positive(at::IntArrayRef sizes) { return numbers(sizes).abs().add_(0.2); }
Tensor indices(at::IntArrayRef sizes, int64_t end) { return at::randint(end, sizes, at::kLong); }

const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {"add",
       [] {
         return Tensors{numbers({5, 7}), numbers({5, 7})};
       },
       [](auto& x) { return x[0] + x[1]; }},
      {"add_scaled",
       [] {
         return Tensors{numbers({5, 7}), numbers({7})};
       },
       [](auto& x) { return x[0].add(x[1], 0.5); }},
      {"add_number", [] { return Tensors{numbers({300})}; }, [](auto& x) { return x[0] + 1.5; }},
      {"sub_broadcast",
       [] {
         return Tensors{numbers({4, 1, 6}), numbers({3, 1})};
       },
       [](auto& x) { return x[0] - x[1]; }},
      {"mul_transposed",
       [] {
         return Tensors{numbers({6, 9}), numbers({9, 6})};
       },
       [](auto& x) { return x[0] * x[1].t(); }},
      {"div",
       [] {
         return Tensors{numbers({8, 8}), positive({8, 1})};
       },
       [](auto& x) { return x[0] / x[1]; }},
      {"neg_slices",
       [] {
         return Tensors{numbers({9, 10})};
       },
       [](auto& x) { return -x[0].slice(0, 1, 9, 3).slice(1, 2, 9, 2); }},
      {"six_dimensions",
       [] {
         return Tensors{numbers({2, 3, 2, 3, 2, 3})};
       },
       [](auto& x) {
         return x[0].permute({5, 1, 3, 0, 4, 2}) * 2;
       }},
      {"exp", [] { return Tensors{numbers({50})}; }, [](auto& x) { return x[0].exp(); }},
      {"log", [] { return Tensors{positive({50})}; }, [](auto& x) { return x[0].log(); }},
      {"sqrt", [] { return Tensors{positive({50})}; }, [](auto& x) { return x[0].sqrt(); }},
      {"rsqrt", [] { return Tensors{positive({50})}; }, [](auto& x) { return x[0].rsqrt(); }},
      {"tanh", [] { return Tensors{numbers({50}) * 3}; }, [](auto& x) { return x[0].tanh(); }},
      {"sigmoid", [] { return Tensors{numbers({50}) * 3}; }, [](auto& x) { return x[0].sigmoid(); }},
      {"cos", [] { return Tensors{numbers({50}) * 3}; }, [](auto& x) { return x[0].cos(); }},
      {"sin", [] { return Tensors{numbers({50}) * 3}; }, [](auto& x) { return x[0].sin(); }},
      {"cos_far", [] { return Tensors{numbers({300}) * 2000}; }, [](auto& x) { return x[0].cos(); }, false},
      {"sin_far", [] { return Tensors{numbers({300}) * 2000}; }, [](auto& x) { return x[0].sin(); }, false},
      {"erf", [] { return Tensors{numbers({50})}; }, [](auto& x) { return x[0].erf(); }, false},
      {"square", [] { return Tensors{numbers({50})}; }, [](auto& x) { return x[0].square(); }},
      {"pow", [] { return Tensors{positive({50})}; }, [](auto& x) { return x[0].pow(1.7); }},
      {"silu", [] { return Tensors{numbers({50})}; }, [](auto& x) { return at::silu(x[0]); }},
      {"gelu", [] { return Tensors{numbers({50})}; }, [](auto& x) { return at::gelu(x[0]); }},
      {"gelu_tanh", [] { return Tensors{numbers({50})}; }, [](auto& x) { return at::gelu(x[0], "tanh"); }},
      {"relu", [] { return Tensors{numbers({50})}; }, [](auto& x) { return at::relu(x[0]); }},
      {"clamp", [] { return Tensors{numbers({50})}; }, [](auto& x) { return x[0].clamp(-0.7, 0.9); }},
      {"maximum",
       [] {
         return Tensors{numbers({50}), numbers({50})};
       },
       [](auto& x) { return at::maximum(x[0], x[1]); }, false},
      {"where",
       [] {
         return Tensors{numbers({4, 6}), numbers({6})};
       },
       [](auto& x) { return at::where(x[0] > 0.1, x[0], x[1]); }},
      {"masked_fill",
       [] {
         return Tensors{numbers({4, 6})};
       },
       [](auto& x) { return x[0].masked_fill(x[0] < 0, -2.5); }},
      {"comparisons",
       [] {
         return Tensors{numbers({40}).round(), numbers({40}).round()};
       },
       [](auto& x) {
         return (x[0] == x[1]).to(x[0].scalar_type()) + (x[0] != x[1]) * 2 + (x[0] < x[1]) * 4 + (x[0] <= x[1]) * 8 +
                (x[0] > 0).logical_or(x[1] >= 1) * 16 + (x[0] > 0).logical_not() * 32;
       },
       false},
      {"addcmul",
       [] {
         return Tensors{numbers({9}), numbers({9}), numbers({9})};
       },
       [](auto& x) { return at::addcmul(x[0], x[1], x[2], 0.3); }},
      {"addcdiv",
       [] {
         return Tensors{numbers({9}), numbers({9}), positive({9})};
       },
       [](auto& x) { return at::addcdiv(x[0], x[1], x[2], 0.3); }},
      {"arange", [] { return Tensors{numbers({9})}; },
       [](auto& x) { return at::arange(2, 11, x[0].options()) * x[0]; }},
      {"sum",
       [] {
         return Tensors{numbers({37, 53})};
       },
       [](auto& x) { return x[0].sum(); }},
      {"sum_long", [] { return Tensors{numbers({3000})}; }, [](auto& x) { return x[0].sum(); }},
      {"sum_first",
       [] {
         return Tensors{numbers({37, 53})};
       },
       [](auto& x) { return x[0].sum(0); }},
      {"sum_outer_and_inner",
       [] {
         return Tensors{numbers({5, 6, 7})};
       },
       [](auto& x) {
         return x[0].sum(at::IntArrayRef{0, 2});
       }},
      {"mean",
       [] {
         return Tensors{numbers({6, 1100})};
       },
       [](auto& x) { return x[0].mean(-1, true); }},
      {"amax",
       [] {
         return Tensors{numbers({6, 1100})};
       },
       [](auto& x) { return x[0].amax(1); }, false},
      {"amin_transposed",
       [] {
         return Tensors{numbers({6, 11})};
       },
       [](auto& x) { return x[0].t().amin(1); }, false},
      {"argmax",
       [] {
         return Tensors{numbers({6, 11})};
       },
       [](auto& x) { return x[0].argmax(1).to(x[0].scalar_type()) + x[0].t().argmax(0, true); }, false},
      {"argmax_of_equals",
       [] {
         return Tensors{at::ones({3, 700}, at::kDouble)};
       },
       [](auto& x) { return x[0].argmax(1); }, false},
      {"triangles",
       [] {
         return Tensors{numbers({2, 6, 9})};
       },
       [](auto& x) { return x[0].tril(1) + x[0].triu(-2) * 3; }},
      {"norm",
       [] {
         return Tensors{numbers({6, 110})};
       },
       [](auto& x) { return x[0].norm(); }},
      {"logsumexp",
       [] {
         return Tensors{numbers({6, 110})};
       },
       [](auto& x) { return at::logsumexp(x[0], 1); }},
      {"softmax",
       [] {
         return Tensors{numbers({3, 5, 30}) * 4};
       },
       [](auto& x) { return at::softmax(x[0], -1); }},
      {"softmax_middle",
       [] {
         return Tensors{numbers({3, 5, 4})};
       },
       [](auto& x) { return at::softmax(x[0], 1); }},
      {"log_softmax",
       [] {
         return Tensors{numbers({7, 31}) * 4};
       },
       [](auto& x) { return at::log_softmax(x[0], 1); }},
      {"layer_norm",
       [] {
         return Tensors{numbers({3, 5, 32}), numbers({32}), numbers({32})};
       },
       [](auto& x) { return at::layer_norm(x[0], {32}, x[1], x[2], 1e-5); }},
      {"rms_norm",
       [] {
         return Tensors{numbers({5, 32}), numbers({32})};
       },
       [](auto& x) { return x[1] * (x[0] * at::rsqrt(x[0].square().mean(-1, true) + 1e-6)); }},
      {"mm",
       [] {
         return Tensors{numbers({33, 20}), numbers({20, 41})};
       },
       [](auto& x) { return at::mm(x[0], x[1]); }},
      {"mm_odd",
       [] {
         return Tensors{numbers({13, 7}), numbers({7, 11})};
       },
       [](auto& x) { return at::mm(x[0], x[1]); }},
      {"mm_transposed",
       [] {
         return Tensors{numbers({16, 36}), numbers({24, 16})};
       },
       [](auto& x) { return at::mm(x[0].t(), x[1].t()); }},
      {"mm_one_row",
       [] {
         return Tensors{numbers({1, 64}), numbers({100, 64})};
       },
       [](auto& x) { return at::mm(x[0], x[1].t()); }},
      {"mm_few_rows",
       [] {
         return Tensors{numbers({3, 64}), numbers({64, 100})};
       },
       [](auto& x) { return at::mm(x[0], x[1]); }},
      {"mv",
       [] {
         return Tensors{numbers({24, 16}), numbers({16})};
       },
       [](auto& x) { return at::mv(x[0], x[1]); }},
      {"bmm",
       [] {
         return Tensors{numbers({3, 9, 8}), numbers({3, 12, 8})};
       },
       [](auto& x) { return at::bmm(x[0], x[1].transpose(1, 2)); }},
      {"addmm",
       [] {
         return Tensors{numbers({12}), numbers({9, 8}), numbers({8, 12})};
       },
       [](auto& x) { return at::addmm(x[0], x[1], x[2], 0.5, 2); }},
      {"baddbmm",
       [] {
         return Tensors{numbers({2, 9, 12}), numbers({2, 9, 8}), numbers({2, 8, 12})};
       },
       [](auto& x) { return at::baddbmm(x[0], x[1], x[2]); }},
      {"linear",
       [] {
         return Tensors{numbers({2, 9, 16}), numbers({20, 16}), numbers({20})};
       },
       [](auto& x) { return at::linear(x[0], x[1], x[2]); }},
      {"cat",
       [] {
         return Tensors{numbers({3, 4}), numbers({3, 2})};
       },
       [](auto& x) {
         return at::cat({x[0], x[1], x[0]}, 1);
       }},
      {"embedding",
       [] {
         return Tensors{numbers({20, 6}), indices({4, 5}, 20)};
       },
       [](auto& x) { return at::embedding(x[0], x[1]); }},
      {"index_select",
       [] {
         return Tensors{numbers({5, 20, 3}), indices({9}, 20)};
       },
       [](auto& x) { return x[0].index_select(1, x[1]); }, false},
      {"index",
       [] {
         return Tensors{numbers({20, 3}), indices({2, 4}, 20) - 3};
       },
       [](auto& x) { return x[0].index({x[1]}); }, false},
      {"gather",
       [] {
         return Tensors{numbers({6, 20}), indices({6, 4}, 20)};
       },
       [](auto& x) { return x[0].gather(1, x[1]); }},
      {"scatter_add",
       [] {
         return Tensors{numbers({6, 5}), numbers({6, 9}), indices({6, 9}, 5)};
       },
       [](auto& x) { return x[0].scatter_add(1, x[2], x[1]); }},
      {"scatter",
       [] {
         return Tensors{numbers({6, 5}), numbers({6, 1}), indices({6, 1}, 5)};
       },
       [](auto& x) { return x[0].scatter(1, x[2], x[1]); }},
      {"cross_entropy",
       [] {
         return Tensors{numbers({12, 31}), indices({12}, 31)};
       },
       [](auto& x) { return at::cross_entropy_loss(x[0], x[1]); }},
  };
  return all;
}

class Operation : public ::testing::TestWithParam<std::tuple<std::string, std::size_t>> {};

Tensors made_on(const Tensors& inputs, at::Device device, at::ScalarType dtype, bool gradients) {
  Tensors made;
  for (const auto& input : inputs) {
    const bool real = input.is_floating_point();
    made.push_back(input.to(device, real ? dtype : input.scalar_type()).detach());
    made.back().set_requires_grad(real && gradients);
  }
  return made;
}

void expect_close(const Tensor& got, const Tensor& expected, double tolerance, const std::string& what) {
  ASSERT_EQ(got.sizes(), expected.sizes()) << what;
  const auto there = got.detach().cpu().to(at::kDouble);
  const double scale = std::max(1.0, expected.abs().max().item<double>());
  const double error = (there - expected).abs().max().item<double>();
  EXPECT_LE(error, tolerance * scale) << what;
  EXPECT_TRUE(std::isfinite(error)) << what;
}

TEST_P(Operation, SaysWhatTheCpuSaysInFloat64) {
  const auto device = to_torch(Device::parse(std::get<0>(GetParam())));
  const auto& one = cases()[std::get<1>(GetParam())];
  webgl::reset_fallbacks();
  for (const auto dtype : kTypes) {
    const auto tolerance = test::find_tolerance(Compared::libtorch_op, from_torch(dtype), std::get<0>(GetParam()));
    if (!tolerance) {
      continue;
    }
    const bool gradients = one.differentiable && dtype == at::kFloat;
    at::manual_seed(7);
    auto inputs = one.inputs();
    for (auto& input : inputs) {
      input = input.is_floating_point() ? input.to(dtype).to(at::kDouble) : input;
    }
    const auto exact_inputs = made_on(inputs, at::kCPU, at::kDouble, gradients);
    const auto device_inputs = made_on(inputs, device, dtype, gradients);
    const auto exact = one.run(exact_inputs);
    const auto got = one.run(device_inputs);
    EXPECT_EQ(got.device(), device);
    expect_close(got, exact.detach(), *tolerance, fmt::format("{} {}", one.name, at::toString(dtype)));
    if (!gradients) {
      continue;
    }
    const auto upstream = numbers(exact.sizes());
    exact.backward(upstream);
    got.backward(upstream.to(device, dtype));
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (exact_inputs[i].requires_grad()) {
        EXPECT_EQ(device_inputs[i].grad().device(), device);
        expect_close(device_inputs[i].grad(), exact_inputs[i].grad(),
                     test::tolerance(Compared::libtorch_op_gradient, from_torch(dtype), std::get<0>(GetParam())),
                     fmt::format("gradient {} of {}", i, one.name));
      }
    }
  }
  for (const auto& [name, count] : webgl::fallbacks()) {
    ADD_FAILURE() << one.name << " ran " << name << " on the CPU " << count << " times";
  }
}

std::vector<std::size_t> numbers_of_cases() {
  std::vector<std::size_t> all(cases().size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i] = i;
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(All, Operation,
                         ::testing::Combine(::testing::ValuesIn(all_devices()),
                                            ::testing::ValuesIn(numbers_of_cases())),
                         [](const auto& parameters) {
                           return std::get<0>(parameters.param) + "_" + cases()[std::get<1>(parameters.param)].name;
                         });

}  // namespace
}  // namespace dstorch
