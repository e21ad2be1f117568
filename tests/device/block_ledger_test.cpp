// The counting of cuda's blocks, with the words LibTorch's allocator sends of them.
#include "device/block_ledger.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace dstorch {
namespace {

constexpr Device kFirst{DeviceType::cuda, 0};
constexpr Device kSecond{DeviceType::cuda, 1};

class Ledger : public testing::Test {
 protected:
  [[nodiscard]] MemoryUse use(const Device& device) const { return account->use(device); }

  BlockLedger ledger;
  const std::shared_ptr<MemoryAccount> account = std::make_shared<MemoryAccount>();
};

TEST_F(Ledger, CountsByDeviceAndKindUntilABlockIsTakenBack) {
  const auto process = MemoryAccount::process().use(kSecond).total.bytes;
  {
    const MemoryScope scope(account, MemoryKind::weights);
    ledger.given_out(0x1000, kFirst, 300);
    ledger.given_out(0x2000, kSecond, 70);
  }
  {
    const MemoryScope scope(account, MemoryKind::kv_cache);
    ledger.given_out(0x3000, kSecond, 5);
  }
  EXPECT_EQ(use(kFirst).total.bytes, 300);
  EXPECT_EQ(use(kSecond)[MemoryKind::weights].bytes, 70);
  EXPECT_EQ(use(kSecond)[MemoryKind::kv_cache].bytes, 5);
  EXPECT_EQ(use(Device{}).total.bytes, 0);
  EXPECT_EQ(MemoryAccount::process().use(kSecond).total.bytes, process + 75);
  std::thread([&] { ledger.taken_back(0x2000); }).join();
  ledger.taken_back(0x3000);
  ledger.taken_back(0x3000);  // and what it never heard of
  EXPECT_EQ(use(kSecond).total.bytes, 0);
  EXPECT_EQ(use(kSecond).total.peak, 75);
  EXPECT_EQ(use(kFirst).total.bytes, 300);
  EXPECT_EQ(MemoryAccount::process().use(kSecond).total.bytes, process);
}

TEST_F(Ledger, FindsABlockToCountItAsSomethingElse) {
  const MemoryScope scope(account, MemoryKind::activations);
  ledger.given_out(0x1000, kFirst, 300);
  ASSERT_NE(ledger.find(0x1000), nullptr);
  EXPECT_EQ(ledger.find(0x1001), nullptr);
  ledger.find(0x1000)->move_to(MemoryKind::gradients);
  EXPECT_EQ(use(kFirst)[MemoryKind::gradients].bytes, 300);
  EXPECT_EQ(use(kFirst)[MemoryKind::activations].bytes, 0);
  ledger.taken_back(0x1000);
  EXPECT_EQ(use(kFirst)[MemoryKind::gradients].bytes, 0);
  EXPECT_EQ(ledger.find(0x1000), nullptr);
}

TEST_F(Ledger, ABlockAtAKnownAddressTakesTheOthersPlace) {
  const MemoryScope scope(account, MemoryKind::activations);
  ledger.given_out(0x1000, kFirst, 300);
  ledger.given_out(0x1000, kFirst, 40);
  EXPECT_EQ(use(kFirst).total.bytes, 40);
  ledger.taken_back(0x1000);
  EXPECT_EQ(use(kFirst).total.bytes, 0);
}

TEST_F(Ledger, NoLimitRefusesABlockThatIsThere) {
  account->set_limit(kFirst, 100);
  const MemoryScope scope(account, MemoryKind::activations);
  EXPECT_NO_THROW(ledger.given_out(0x1000, kFirst, 300));
  EXPECT_EQ(use(kFirst).total.bytes, 300);
  EXPECT_ANY_THROW(MemoryRecord(kFirst, 1));
  EXPECT_NO_THROW(MemoryRecord(kSecond, 1000)) << "each device has a limit of its own";
  ledger.taken_back(0x1000);
  EXPECT_EQ(use(kFirst).total.bytes, 0);
}

TEST_F(Ledger, ThreadsCountTogether) {
  std::vector<std::thread> threads;
  for (std::uintptr_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const MemoryScope scope(account, MemoryKind::activations);
      for (std::uintptr_t i = 0; i < 2000; ++i) {
        const auto address = (t << 20) + i + 1;
        ledger.given_out(address, kFirst, static_cast<int64_t>(i));
        ledger.find(address)->move_to(MemoryKind::other);
        ledger.taken_back(i % 2 == 0 ? address : 0);
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(use(kFirst)[MemoryKind::other].bytes, 4 * 1'000'000);
  EXPECT_EQ(use(kFirst)[MemoryKind::activations].bytes, 0);
}

}  // namespace
}  // namespace dstorch
