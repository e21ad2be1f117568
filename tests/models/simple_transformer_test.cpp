#include "dstorch/simple_transformer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "support/temporary_folder.h"

namespace dstorch::models {
namespace {

TEST(SimpleTransformer, ComputesInDoubleWhereAMatrixIsOfDoubles) {
  const test::TemporaryFolder folder;
  const auto first = at::tensor({0.1, 0.2, 0.3, 0.4}, at::kDouble).view({2, 2});
  const auto second = at::tensor({1.0F, 2.0F}, at::kFloat).view({1, 2});
  const auto view_of = [](const char* name, const at::Tensor& tensor, DType dtype) {
    TensorView view;
    view.name = name;
    view.dtype = dtype;
    view.shape = tensor.sizes().vec();
    view.strides = tensor.strides().vec();
    view.storage = {static_cast<const std::byte*>(tensor.data_ptr()), tensor.nbytes()};
    return view;
  };
  const std::vector views{view_of("a.weight", first, DType::float64), view_of("b.weight", second, DType::float32)};
  save_safetensors(folder.path() / "stack.safetensors", views);
  SimpleTransformer network(Checkpoint::open(folder.path() / "stack.safetensors"), Device{});
  const auto output = network.forward(at::tensor({1.0F, -3.0F}, at::kFloat).view({1, 2}));
  EXPECT_EQ(output.scalar_type(), at::kDouble);
  EXPECT_EQ(output.item<double>(), 0.0);  // both rows are negative before the ReLU
  const auto positive = network.forward(at::tensor({1.0F, 1.0F}, at::kFloat).view({1, 2}));
  EXPECT_DOUBLE_EQ(positive.item<double>(), (0.1 + 0.2) + 2 * (0.3 + 0.4));
}

}  // namespace
}  // namespace dstorch::models
