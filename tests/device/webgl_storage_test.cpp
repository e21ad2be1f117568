// Tensors on the webgl device: storage, copies, views.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "device/torch_types.h"
#include "device/webgl/webgl.h"
#include "dstorch/error.h"

namespace dstorch::webgl {
namespace {

const at::Device& device() {
  static const at::Device instance = to_torch(Device{DeviceType::webgl, 0});
  return instance;
}

TEST(WebglStorage, IsThere) {
  // Where Mesa is missing this fails and says what to install, rather than skip what it should test.
  ASSERT_EQ(why_unavailable(), "");
  const auto description = describe();
  // Which driver is meant, where one is chosen to be tested.
  const char* renderer = std::getenv("DSTORCH_TEST_RENDERER");
  EXPECT_NE(description.renderer.find(renderer != nullptr ? renderer : ""), std::string::npos) << description.renderer;
  EXPECT_FALSE(description.renderer.empty());
  EXPECT_GE(description.max_block_bytes, 1 << 20);
}

TEST(WebglStorage, GoesThereAndBackInEveryDtype) {
  for (const auto dtype : {at::kFloat, at::kHalf, at::kBFloat16, at::kDouble, at::kLong, at::kInt, at::kShort,
                           at::kChar, at::kByte, at::kBool}) {
    const auto values = (at::arange(35, at::kFloat) - 3).to(dtype).view({5, 7});
    const auto there = values.to(device());
    EXPECT_EQ(there.device(), device());
    EXPECT_EQ(there.scalar_type(), dtype);
    EXPECT_TRUE(at::equal(there.cpu(), values)) << at::toString(dtype);
    EXPECT_EQ(there.storage().nbytes(), values.nbytes());
    // Strides: the transpose, a slice of a slice, and one into another's place.
    EXPECT_TRUE(at::equal(there.t().cpu(), values.t())) << at::toString(dtype);
    EXPECT_TRUE(at::equal(there.t().contiguous().cpu(), values.t())) << at::toString(dtype);
    EXPECT_TRUE(at::equal(there.slice(0, 1, 5, 2).narrow(1, 2, 3).cpu(), values.slice(0, 1, 5, 2).narrow(1, 2, 3)));
    auto target = at::zeros({7, 5}, at::TensorOptions().dtype(dtype)).to(device());
    target.t().narrow(1, 1, 4).copy_(there.narrow(1, 3, 4));
    auto expected = at::zeros({7, 5}, at::TensorOptions().dtype(dtype));
    expected.t().narrow(1, 1, 4).copy_(values.narrow(1, 3, 4));
    EXPECT_TRUE(at::equal(target.cpu(), expected)) << at::toString(dtype);
  }
}

TEST(WebglStorage, KeepsAllBitsOfWideIntegers) {
  const auto values =
      at::tensor({int64_t{1} << 40, -(int64_t{1} << 50), int64_t{-1}, int64_t{7}}, at::kLong).view({2, 2});
  EXPECT_TRUE(at::equal(values.to(device()).t().contiguous().cpu(), values.t()));
}

TEST(WebglStorage, ViewsShareOneStorage) {
  auto base = at::arange(24, at::kFloat).to(device());
  auto view = base.view({4, 6}).transpose(0, 1).slice(0, 1, 5, 2);  // [2, 4]
  EXPECT_TRUE(view.storage().is_alias_of(base.storage()));
  view.copy_(at::full({2, 4}, -1.0F));
  auto expected = at::arange(24, at::kFloat);
  expected.view({4, 6}).transpose(0, 1).slice(0, 1, 5, 2).fill_(-1);
  EXPECT_TRUE(at::equal(base.cpu(), expected));
}

TEST(WebglStorage, ConvertsBetweenDtypes) {
  const auto values = at::randn({33, 5}, at::kFloat) * 20;
  const auto there = values.to(device());
  for (const auto dtype : {at::kHalf, at::kBFloat16, at::kInt, at::kLong, at::kBool, at::kDouble}) {
    EXPECT_TRUE(at::equal(there.to(dtype).cpu(), values.to(dtype))) << at::toString(dtype);
    EXPECT_TRUE(at::equal(values.to(dtype).to(device()).to(at::kFloat).cpu(), values.to(dtype).to(at::kFloat)))
        << at::toString(dtype);
  }
}

TEST(WebglStorage, HalvesAreRoundedToTheNearestAndNoneIsLost) {
  // Ties, what becomes infinite, subnormal ones and the least that is not nothing, whatever the driver does with these.
  const auto values =
      at::tensor({1.0F + 0x1p-11F, 1.0F + 3 * 0x1p-11F, 1.0F + 0x1.8p-11F, 65504.0F, 65519.0F, 65520.0F, 1e9F, 0x1p-14F,
                  0x1.FFCp-15F, 0x1p-24F, 0x1p-25F, 0x1.8p-25F, 0x1.8p-24F, 3e-6F, 0.0F},
                 at::kFloat);
  const auto both = at::cat({values, -values});
  const auto halves = both.to(at::kHalf);
  EXPECT_TRUE(at::equal(both.to(device()).to(at::kHalf).cpu(), halves)) << both.to(device()).to(at::kHalf).cpu();
  EXPECT_TRUE(at::equal(halves.to(device()).to(at::kFloat).cpu(), halves.to(at::kFloat)));
  const auto nothing = at::full({3}, std::nan(""), at::kFloat);
  for (const auto dtype : {at::kHalf, at::kBFloat16}) {
    EXPECT_TRUE(nothing.to(device()).to(dtype).to(at::kFloat).cpu().isnan().all().item<bool>());
  }
}

TEST(WebglStorage, CountsBytes) {
  const auto before = memory().allocated;
  {
    const auto tensor = at::empty({1000, 100}, at::TensorOptions().dtype(at::kFloat).device(device()));
    EXPECT_EQ(memory().allocated - before, 400'000);
    reset_peak_memory();
    { const auto more = at::empty({1000}, at::TensorOptions().dtype(at::kFloat).device(device())); }
    EXPECT_EQ(memory().allocated - before, 400'000);
    EXPECT_EQ(memory().peak - before, 404'000);
  }
  EXPECT_EQ(memory().allocated, before);
}

TEST(WebglStorage, ResizesAndKeepsContents) {
  auto tensor = at::arange(6, at::kFloat).to(device());
  tensor.resize_({2, 8});
  EXPECT_EQ(tensor.sizes(), (std::vector<int64_t>{2, 8}));
  EXPECT_TRUE(at::equal(tensor.flatten().narrow(0, 0, 6).cpu(), at::arange(6, at::kFloat)));
}

TEST(WebglFallback, ComputesOnTheCpuAndIsCounted) {
  reset_fallbacks();
  EXPECT_TRUE(fallbacks().empty());
  const auto values = at::randn({3, 4}, at::kFloat);
  const auto sorted = std::get<0>(values.to(device()).sort(1));
  EXPECT_EQ(sorted.device(), device());
  EXPECT_TRUE(at::equal(sorted.cpu(), std::get<0>(values.sort(1))));
  int64_t calls = 0;
  for (const auto& [name, count] : fallbacks()) {
    EXPECT_NE(name.find("aten::sort"), std::string::npos) << name;
    calls += count;
  }
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace dstorch::webgl
