#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "driver/test_models.h"
#include "dstorch/error.h"
#include "dstorch/torch_model.h"
#include "support/paths.h"

namespace dstorch {
namespace {

using test::error_of;
using test::greedy;
using test::load;
using testing::HasSubstr;

const std::filesystem::path kLlama = test::source_dir() / "tests/parity/fixtures/llama/model";

/// What a call of 64 positions takes at most.
int64_t needed() { return plan_memory({.model_path = kLlama}, {.context = 64}).total + 8192; }

TEST(MemoryLimit, WeightsOverItAreNotLoaded) {
  const auto before = memory_use().total;
  TorchModel model({.model_path = kLlama, .memory_limit = 20'000});
  const auto error = error_of([&] { model.init(); });
  EXPECT_EQ(error.kind(), ErrorKind::out_of_memory);
  EXPECT_THAT(error.what(), HasSubstr("memory limit of 19.5 KiB"));
  EXPECT_THAT(error.what(), HasSubstr("weights "));
  EXPECT_THAT(error.what(), HasSubstr("no context fits"));
  EXPECT_FALSE(model.initialized());
  EXPECT_EQ(model.memory().total.peak, 0) << "nothing was allocated";
  EXPECT_EQ(memory_use().total.bytes, before.bytes);
  EXPECT_EQ(error_of([] {
              load({.architecture = Architecture{100, 100, 100}, .memory_limit = 1000});
            }).kind(),
            ErrorKind::out_of_memory);
  EXPECT_EQ(error_of([] { load({.model_path = kLlama, .memory_limit = -1}); }).kind(), ErrorKind::invalid_argument);
}

TEST(MemoryLimit, ACallThatWouldPassItFailsBeforeItAllocates) {
  const auto limit = needed();
  const auto model = load({.model_path = kLlama, .memory_limit = limit});
  const std::vector<int64_t> prompt(62, 5);
  const auto fits = model->complete(prompt, greedy(2));
  EXPECT_EQ(fits.tokens.size(), 2U);
  EXPECT_LE(model->memory().total.peak, limit);
  const auto peak = model->memory().total.peak;
  const std::vector<int64_t> longer(110, 5);
  const auto error = error_of([&] { model->complete(longer, greedy(16)); });
  EXPECT_EQ(error.kind(), ErrorKind::out_of_memory);
  EXPECT_THAT(error.what(), HasSubstr("call of 126 positions would pass the memory limit"));
  EXPECT_THAT(error.what(), HasSubstr("KV cache "));
  EXPECT_THAT(error.what(), HasSubstr("the largest context that fits is "));
  EXPECT_EQ(model->memory().total.peak, peak) << "nothing was allocated";
  EXPECT_EQ(error_of([&] { model->logits(longer); }).kind(), ErrorKind::out_of_memory);
  EXPECT_EQ(model->complete(prompt, greedy(2)).tokens, fits.tokens) << "the model goes on";
}

TEST(MemoryLimit, ThePlansLargestContextIsTrue) {
  const auto plan = plan_memory({.model_path = kLlama, .memory_limit = needed()});
  ASSERT_GT(plan.largest_context, 60);
  ASSERT_LT(plan.largest_context, 126);
  EXPECT_FALSE(plan.fits());
  const auto model = load({.model_path = kLlama, .memory_limit = needed() + 8192});
  const std::vector<int64_t> prompt(static_cast<std::size_t>(plan.largest_context) - 1, 5);
  EXPECT_NO_THROW(model->complete(prompt, greedy(1)));
}

TEST(MemoryLimit, ACallWaitsWhileOthersHoldTheRoom) {
  const auto path = test::source_dir() / "tests/parity/fixtures/text/model";
  const auto one = plan_memory({.model_path = path}, {.context = 64});
  const auto limit = one.total + 8192;
  const auto model = load({.model_path = path, .memory_limit = limit});
  const auto call = [&](const TokenCallback& on_token) {
    auto options = greedy(8);
    options.on_token = on_token;
    return model->complete(std::vector<int64_t>(56, 5), options);
  };
  const auto expected = call(nullptr).tokens;
  // From inside a call, which therefore has the room.
  bool asked = false;
  call([&](std::string_view) {
    asked = true;
    EXPECT_EQ(call(nullptr).tokens, expected);
    return true;
  });
  EXPECT_TRUE(asked);
  EXPECT_LE(model->memory().total.peak, limit);
}

TEST(MemoryLimit, CallsAtOnceShareIt) {
  const auto one = plan_memory({.model_path = kLlama}, {.context = 64});
  const auto two = plan_memory({.model_path = kLlama}, {.context = 64, .batch = 2});
  // Room for two and a half.
  const auto limit = two.total + 3 * 8192 + (two.total - one.total) / 2;
  const auto model = load({.model_path = kLlama, .memory_limit = limit});
  const std::vector<int64_t> prompt(32, 5);
  const auto expected = model->complete(prompt, greedy(32)).tokens;
  std::atomic<bool> go{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&] {
      while (!go) {
        std::this_thread::yield();
      }
      for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(model->complete(prompt, greedy(32)).tokens, expected);
      }
    });
  }
  go = true;
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_LE(model->memory().total.peak, limit);
}

TEST(MemoryLimit, KeysAndValuesHaveABoundOfTheirOwn) {
  const auto page = plan_memory({.model_path = kLlama}, {.context = 64})[MemoryKind::kv_cache];
  const auto model = load({.model_path = kLlama, .kv_memory = page});
  const std::vector<int64_t> prompt(32, 5);
  std::vector<PendingGeneration> pending;
  for (int i = 0; i < 5; ++i) {
    pending.push_back(model->submit(prompt, greedy(32)));
  }
  const auto first = pending.front().wait().tokens;
  for (std::size_t i = 1; i < pending.size(); ++i) {
    EXPECT_EQ(pending[i].wait().tokens, first);
  }
  EXPECT_EQ(model->memory()[MemoryKind::kv_cache].peak, page);
  const auto error = error_of([&] { model->complete(prompt, greedy(33)); });
  EXPECT_EQ(error.kind(), ErrorKind::out_of_memory);
  EXPECT_THAT(error.what(), HasSubstr("kv_memory allows"));
  EXPECT_EQ(error_of([] { load({.model_path = kLlama, .kv_memory = -1}); }).kind(), ErrorKind::invalid_argument);
}

}  // namespace
}  // namespace dstorch
