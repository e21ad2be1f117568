#include "device/dry_run.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <thread>

namespace dstorch {
namespace {

at::Tensor bytes_of(int64_t count) { return at::empty({count}, at::TensorOptions(at::kByte).device(at::kMeta)); }

TEST(DryRun, CountsWhatHasNoMemoryInItsOwnAccountAlone) {
  const auto account = std::make_shared<MemoryAccount>();
  const auto around = std::make_shared<MemoryAccount>();
  const MemoryScope scope(around, MemoryKind::weights);
  const auto process = memory_use().total.bytes;
  const DryRun run(account, at::kCPU);
  auto first = bytes_of(1000);
  {
    const MemoryScope activations(MemoryKind::activations);
    const auto second = bytes_of(300);
    const auto view = second.narrow(0, 10, 20);  // takes nothing
    EXPECT_EQ(account->use({})[MemoryKind::activations].bytes, 300);
  }
  EXPECT_EQ(account->use({})[MemoryKind::other].bytes, 1000);
  EXPECT_EQ(account->use({}).total.peak, 1300);
  first.reset();
  EXPECT_EQ(account->use({}).total.bytes, 0);
  EXPECT_EQ(account->use({}).total.peak, 1300);
  EXPECT_EQ(around->use({}).total.peak, 0);
  EXPECT_EQ(memory_use().total.bytes, process);
}

TEST(DryRun, OperationsTakeTheirResultsAndTheBackwardPassItsGradients) {
  const auto account = std::make_shared<MemoryAccount>();
  const DryRun run(account, at::kCPU);
  const auto options = at::TensorOptions(at::kFloat).device(at::kMeta);
  const auto weight = at::empty({5, 7}, options).requires_grad_();
  weight.register_hook([](const at::Tensor& gradient) { retag(gradient, MemoryKind::gradients); });
  const MemoryScope scope(MemoryKind::activations);
  const auto x = at::empty({3, 7}, options);
  const auto y = at::linear(x, weight);
  EXPECT_EQ(account->use({})[MemoryKind::activations].bytes, 4 * (3 * 7 + 3 * 5));
  y.sum().backward();
  EXPECT_EQ(account->use({})[MemoryKind::gradients].bytes, 4 * 5 * 7);
  EXPECT_EQ(account->use({})[MemoryKind::other].bytes, 4 * 5 * 7);
}

TEST(DryRun, IsOfItsThreadAndItsTime) {
  const auto account = std::make_shared<MemoryAccount>();
  auto before = bytes_of(50);
  at::Tensor inside;
  {
    const DryRun run(account, at::kCPU);
    std::thread([] {
      const auto elsewhere = bytes_of(100);
      EXPECT_EQ(DryRun::meaning(at::kMeta), at::Device(at::kMeta));
    }).join();
    EXPECT_EQ(account->use({}).total.peak, 0);
    before.reset();
    EXPECT_EQ(account->use({}).total.bytes, 0);
    inside = bytes_of(70);
  }
  const auto after = bytes_of(90);
  EXPECT_EQ(account->use({}).total.peak, 70);
  EXPECT_EQ(account->use({}).total.bytes, 70);
  std::thread([&] { inside.reset(); }).join();
  EXPECT_EQ(account->use({}).total.bytes, 0);
}

TEST(DryRun, SaysWhatItsTensorsStandFor) {
  const auto account = std::make_shared<MemoryAccount>();
  EXPECT_EQ(DryRun::meaning(at::kMeta), at::Device(at::kMeta));
  const DryRun run(account, at::Device(at::kCUDA, 1));
  EXPECT_EQ(DryRun::meaning(at::kMeta), at::Device(at::kCUDA, 1));
  EXPECT_EQ(DryRun::meaning(at::kCPU), at::Device(at::kCPU));
  {
    const auto other = std::make_shared<MemoryAccount>();
    const DryRun inner(other, at::kCPU);
    EXPECT_EQ(DryRun::meaning(at::kMeta), at::Device(at::kCPU));
    const auto tensor = bytes_of(40);
    EXPECT_EQ(other->use({}).total.bytes, 40);
  }
  EXPECT_EQ(DryRun::meaning(at::kMeta), at::Device(at::kCUDA, 1));
  EXPECT_EQ(account->use({}).total.peak, 0);
}

}  // namespace
}  // namespace dstorch
