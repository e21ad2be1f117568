// Which checkpoints are stacks of linear layers, and in which order the layers come.
#include <fmt/format.h>

#include "io/test_files.h"

namespace dstorch {
namespace {

struct Stored {
  std::string name;
  std::vector<int64_t> shape;
  DType dtype = DType::float32;
};

/// "fc1.weight+fc1.bias fc2.weight" for two layers, the second without a bias; "" for what is no stack.
std::string stack_of(const std::vector<Stored>& stored, bool as_pytorch = false) {
  const std::vector<std::byte> zeros(4096);
  std::vector<TensorView> views;
  for (const auto& [name, shape, dtype] : stored) {
    TensorView view;
    view.name = name;
    view.dtype = dtype;
    view.shape = shape;
    view.strides = shape;
    for (std::size_t i = shape.size(), stride = 1; i-- > 0; stride *= static_cast<std::size_t>(shape[i])) {
      view.strides[i] = static_cast<int64_t>(stride);
    }
    view.storage = zeros;
    views.push_back(view);
  }
  const TemporaryFolder folder;
  const auto path = folder.path() / "weights";
  if (as_pytorch) {
    save_pytorch(path, views);
  } else {
    save_safetensors(path, views);
  }
  const auto checkpoint = Checkpoint::open(path);
  std::string layers;
  for (const auto& [weight, bias] : linear_stack(*checkpoint)) {
    layers += (layers.empty() ? "" : " ") + weight->name + (bias != nullptr ? "+" + bias->name : "");
  }
  return layers;
}

TEST(LinearStack, NumbersInNamesCountByTheirValue) {
  EXPECT_EQ(stack_of({{"fc10.weight", {5, 4}}, {"fc1.weight", {3, 2}}, {"fc002.weight", {4, 3}}}),
            "fc1.weight fc002.weight fc10.weight");
  EXPECT_EQ(stack_of({{"b.1.10.weight", {4, 3}}, {"b.1.9.weight", {3, 2}}, {"b.2.1.weight", {5, 4}}}),
            "b.1.9.weight b.1.10.weight b.2.1.weight");
  EXPECT_EQ(stack_of({{"w2", {4, 3}}, {"w", {3, 2}}}), "w w2");
}

/// A state dict has the order of the model, whatever the names.
TEST(LinearStack, APyTorchFileHasTheModelsOrder) {
  const std::vector<Stored> stored{{"out.weight", {3, 2}}, {"in.weight", {4, 3}}, {"in.bias", {4}}};
  EXPECT_EQ(stack_of(stored, true), "out.weight in.weight+in.bias");
  EXPECT_EQ(stack_of(stored), "");
}

TEST(LinearStack, ABiasIsOfItsModuleOrElseOfItsPlace) {
  EXPECT_EQ(stack_of({{"a.weight", {3, 2}}, {"b.weight", {4, 3}}, {"b.bias", {4}}}), "a.weight b.weight+b.bias");
  EXPECT_EQ(stack_of({{"a", {3, 2}}, {"b.weight", {4, 3}}, {"b.bias", {4}}}), "a b.weight+b.bias");
  EXPECT_EQ(stack_of({{"w1", {3, 2}}, {"w2", {4, 3}}}), "w1 w2");
  EXPECT_EQ(stack_of({{"b1", {3}}, {"b2", {4}}, {"w1", {3, 2}}, {"w2", {4, 3}}}), "w1+b1 w2+b2");
  EXPECT_EQ(stack_of({{"b1", {3}}, {"w1", {3, 2}}, {"w2", {4, 3}}}), "") << "whose it is nobody knows";
  EXPECT_EQ(stack_of({{"a.bias", {3}}, {"a.other", {3}}, {"a.weight", {3, 2}}, {"b.weight", {4, 3}}}), "");
}

TEST(LinearStack, IsOfFloatingPointNumbers) {
  for (const auto dtype : {DType::float16, DType::bfloat16, DType::float32, DType::float64}) {
    EXPECT_EQ(stack_of({{"a.weight", {3, 2}, dtype}, {"b.weight", {4, 3}, dtype}}), "a.weight b.weight")
        << to_string(dtype);
  }
  EXPECT_EQ(stack_of({{"a.weight", {3, 2}, DType::int32}, {"b.weight", {4, 3}, DType::int32}}), "");
}

TEST(LinearStack, HasNothingElse) {
  const Stored first{"a.weight", {3, 2}};
  const Stored second{"c.weight", {4, 3}};
  ASSERT_EQ(stack_of({first, second}), "a.weight c.weight");
  for (const auto& other : std::vector<Stored>{{"b.weight", {3}},  // of a norm
                                               {"b.weight", {3, 3, 1}},
                                               {"a.weight_hh", {3, 3}},
                                               {"b.num_batches_tracked", {}, DType::int64},
                                               {"b.scale", {}},
                                               {"a.bias", {2}},
                                               {"a.bias", {0}},
                                               {"b.weight", {2, 3}}}) {
    EXPECT_EQ(stack_of({first, other, second}), "") << other.name << fmt::format(" of {} sizes", other.shape.size());
  }
  const Stored one{"w1", {3, 2}};
  const Stored two{"w2", {4, 3}};
  EXPECT_EQ(stack_of({{"b1", {3, 1, 1}}, {"b2", {4, 1, 1}}, one, two}), "");
  EXPECT_EQ(stack_of({{"b1", {}}, {"b2", {}}, one, two}), "");
  EXPECT_EQ(stack_of({first}), "") << "one layer is none";
  EXPECT_EQ(stack_of({}), "");
}

}  // namespace
}  // namespace dstorch
