#include "dstorch/memory.h"

#include <ATen/Parallel.h>
#include <c10/core/CPUAllocator.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

#include "core/torch_compat.h"
#include "device/memory_account.h"
#include "device/torch_types.h"
#include "dstorch/error.h"
#include "support/devices.h"

namespace dstorch {
namespace {

constexpr std::array<MemoryKind, kMemoryKinds> kKinds{MemoryKind::weights,     MemoryKind::kv_cache,
                                                      MemoryKind::activations, MemoryKind::gradients,
                                                      MemoryKind::optimizer,   MemoryKind::other};

int64_t process_bytes(MemoryKind kind) { return memory_use()[kind].bytes; }

at::Tensor bytes_of(int64_t count) { return at::empty({count}, at::kByte); }

class MemoryOn : public testing::TestWithParam<std::string> {
 protected:
  MemoryOn() { memory_use(device); }
  [[nodiscard]] at::Tensor bytes_there(int64_t count) const {
    return at::empty({count}, at::dtype(at::kByte).device(to_torch(device)));
  }
  [[nodiscard]] MemoryUse use() const { return account->use(device); }

  const Device device = Device::parse(GetParam());
  const std::shared_ptr<MemoryAccount> account = std::make_shared<MemoryAccount>();
};

TEST_P(MemoryOn, EveryKindCountsItsOwn) {
  const auto before = memory_use(device);
  std::vector<at::Tensor> kept;
  int64_t size = 1000;
  for (const auto kind : kKinds) {
    const MemoryScope scope(account, kind);
    kept.push_back(bytes_there(size++));
  }
  EXPECT_EQ(use().total.bytes, 6015);
  EXPECT_EQ(use().total.peak, 6015);
  for (std::size_t i = 0; i < kKinds.size(); ++i) {
    EXPECT_EQ(use()[kKinds[i]].bytes, 1000 + static_cast<int64_t>(i)) << to_string(kKinds[i]);
    EXPECT_EQ(memory_use(device)[kKinds[i]].bytes - before[kKinds[i]].bytes, 1000 + static_cast<int64_t>(i));
  }
  {
    const MemoryScope scope(std::make_shared<MemoryAccount>(), MemoryKind::other);  // whosever it is
    kept.clear();
  }
  EXPECT_EQ(use().total.bytes, 0);
  EXPECT_EQ(use().total.peak, 6015);
  for (const auto kind : kKinds) {
    EXPECT_EQ(use()[kind].bytes, 0);
  }
  EXPECT_EQ(memory_use(device).total.bytes, before.total.bytes);
}

TEST_P(MemoryOn, ABlockIsTakenOffWhereItWasCountedWhoeverFreesIt) {
  at::Tensor tensor;
  {
    const MemoryScope scope(account, MemoryKind::kv_cache);
    tensor = bytes_there(5000);
  }
  EXPECT_EQ(use()[MemoryKind::kv_cache].bytes, 5000);
  std::thread([&] {
    const MemoryScope scope(std::make_shared<MemoryAccount>(), MemoryKind::weights);
    tensor.reset();
  }).join();
  EXPECT_EQ(use()[MemoryKind::kv_cache].bytes, 0);
  EXPECT_EQ(use()[MemoryKind::weights].bytes, 0);
}

TEST_P(MemoryOn, RetaggingMovesABlockAndEverySharerWithIt) {
  const MemoryScope scope(account, MemoryKind::activations);
  auto tensor = bytes_there(400).view({20, 20});
  retag(tensor.t(), MemoryKind::gradients);
  retag(tensor, MemoryKind::gradients);
  EXPECT_EQ(use()[MemoryKind::gradients].bytes, 400);
  EXPECT_EQ(use()[MemoryKind::activations].bytes, 0);
  tensor.reset();
  EXPECT_EQ(use()[MemoryKind::gradients].bytes, 0);
  EXPECT_EQ(use().total.bytes, 0);
}

INSTANTIATE_TEST_SUITE_P(All, MemoryOn, testing::ValuesIn(all_devices()),
                         [](const auto& device) { return device.param; });

TEST(Memory, ScopesNestAndKeepTheAccountAroundThem) {
  const auto account = std::make_shared<MemoryAccount>();
  const MemoryScope outer(account, MemoryKind::activations);
  {
    const MemoryScope inner(MemoryKind::kv_cache);
    const auto tensor = bytes_of(700);
    EXPECT_EQ(account->use({})[MemoryKind::kv_cache].bytes, 700);
  }
  const auto tensor = bytes_of(300);
  EXPECT_EQ(account->use({})[MemoryKind::activations].bytes, 300);
  EXPECT_EQ(account->use({})[MemoryKind::kv_cache].peak, 700);
  EXPECT_EQ(account->use({}).total.peak, 700);
}

TEST(Memory, ThePeakIsTheMostAtOnce) {
  const auto account = std::make_shared<MemoryAccount>();
  const MemoryScope scope(account, MemoryKind::activations);
  { const auto a = bytes_of(100), b = bytes_of(200); }
  { const auto c = bytes_of(250); }
  EXPECT_EQ(account->use({}).total.peak, 300);
  EXPECT_EQ(account->use({}).total.bytes, 0);
}

TEST(Memory, RetaggingLeavesOthersMemoryAlone) {
  const auto account = std::make_shared<MemoryAccount>();
  const MemoryScope scope(account, MemoryKind::activations);
  float number = 1;
  retag(at::from_blob(&number, {1}, at::kFloat), MemoryKind::weights);
  retag(at::Tensor(), MemoryKind::weights);
  EXPECT_EQ(account->use({}).total.bytes, 0);
}

// A host program's tensors are its own business: neither counted, nor made by an allocator of ours.
TEST(Memory, LeavesTheHostsAllocatorAndTensorsAlone) {
  const auto* const allocator = c10::GetCPUAllocator();
  const auto account = std::make_shared<MemoryAccount>();
  const auto process_before = memory_use().total.bytes;
  const auto before = bytes_of(5000);
  at::Tensor inside;
  {
    const MemoryScope scope(account, MemoryKind::activations);
    EXPECT_EQ(c10::GetCPUAllocator(), allocator);
    inside = bytes_of(700);
  }
  const auto after = bytes_of(6000);
  EXPECT_EQ(account->use({}).total.peak, 700);
  EXPECT_EQ(memory_use().total.bytes - process_before, 700);
  const MemoryScope scope(account, MemoryKind::activations);
  inside.reset();
  EXPECT_EQ(account->use({}).total.bytes, 0);
}

TEST(Memory, AHostsProfilerHearsOfItsThreadAgain) {
  struct Listener : compat::MemoryReporter {
    int64_t heard = 0;
    void report(void*, int64_t bytes, c10::Device) override { heard += std::max<int64_t>(bytes, 0); }
  };
  const auto listener = std::make_shared<Listener>();
  const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, listener);
  const auto account = std::make_shared<MemoryAccount>();
  {
    const MemoryScope scope(account, MemoryKind::activations);
    bytes_of(700);
  }
  bytes_of(300);
  EXPECT_EQ(account->use({}).total.peak, 700);
  EXPECT_EQ(listener->heard, 300);
}

TEST(Memory, ThreadsCountTogether) {
  const auto account = std::make_shared<MemoryAccount>();
  const auto before = memory_use().total.bytes;
  std::vector<std::thread> threads;
  std::vector<at::Tensor> kept(4);
  for (std::size_t t = 0; t < kept.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int64_t i = 0; i < 5000; ++i) {
        const MemoryScope scope(account, kKinds[static_cast<std::size_t>(i) % kKinds.size()]);
        auto tensor = bytes_of(1 + i % 257);
        retag(tensor, kKinds[(static_cast<std::size_t>(i) + t) % kKinds.size()]);
        if (i == 2500) {
          kept[t] = tensor;
        }
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(account->use({}).total.bytes, 4 * (1 + 2500 % 257));
  const MemoryScope scope(account, MemoryKind::other);
  kept.clear();
  for (const auto kind : kKinds) {
    EXPECT_EQ(account->use({})[kind].bytes, 0) << to_string(kind);
  }
  EXPECT_EQ(memory_use().total.bytes, before);
}

TEST(Memory, OnlyOfDevicesThatAreThere) { EXPECT_THROW(memory_use(Device{DeviceType::cuda, 99}), LMError); }

}  // namespace
}  // namespace dstorch
