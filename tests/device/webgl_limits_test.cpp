// Tensors larger than what one shader binding shows; what goes wrong on the webgl device, and that the CPU still works.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "device/torch_types.h"
#include "device/webgl/attention.h"
#include "device/webgl/context.h"
#include "device/webgl/launch.h"
#include "device/webgl/webgl.h"
#include "dstorch/error.h"

namespace dstorch::webgl {
namespace {

at::Device device() { return to_torch(Device{DeviceType::webgl, 0}); }

/// The limit of a small device while it lives.
class SmallBlocks {
 public:
  explicit SmallBlocks(int64_t bytes) {
    require_available();
    Context::get().set_block_bytes(bytes);
  }
  SmallBlocks(const SmallBlocks&) = delete;
  SmallBlocks& operator=(const SmallBlocks&) = delete;
  ~SmallBlocks() { Context::get().set_block_bytes(0); }
};

void expect_close(const at::Tensor& got, const at::Tensor& expected) {
  EXPECT_TRUE(at::allclose(got.cpu().to(at::kDouble), expected.to(at::kDouble), 1e-4, 1e-4));
}

TEST(WebglBlocks, OpsCutWhatDoesNotFitOneBinding) {
  const SmallBlocks small(4096);
  reset_fallbacks();
  const auto x = at::randn({60, 100});
  const auto y = at::randn({100, 60});
  const auto there_x = x.to(device());
  const auto there_y = y.to(device());
  EXPECT_TRUE(at::equal(there_x.cpu(), x));
  expect_close(there_x + there_y.t(), x + y.t());
  expect_close(there_x.t().contiguous(), x.t());
  expect_close(there_x.to(at::kHalf), x.to(at::kHalf));
  expect_close(there_x.sum(), x.sum());
  expect_close(there_x.sum(0), x.sum(0));
  expect_close(there_x.sum(1), x.sum(1));
  expect_close(there_x.amax(0), x.amax(0));
  expect_close(there_x.flatten().sum(), x.sum());
  expect_close(at::softmax(there_x, 1), at::softmax(x, 1));
  expect_close(at::softmax(there_x, 0), at::softmax(x, 0));
  expect_close(at::mm(there_x, there_y), at::mm(x, y));
  expect_close(at::mm(there_y, there_x), at::mm(y, x));
  expect_close(at::mm(there_x.t(), there_x), at::mm(x.t(), x));
  expect_close(at::bmm(there_x.view({6, 10, 100}), there_y.view({6, 100, 10})),
               at::bmm(x.view({6, 10, 100}), y.view({6, 100, 10})));
  const auto rows = at::randint(60, {70}, at::kLong);
  expect_close(there_x.index_select(0, rows.to(device())), x.index_select(0, rows));
  const auto grad = at::randn({70, 100});
  expect_close(at::embedding_dense_backward(grad.to(device()), rows.to(device()), 60, -1, false),
               at::embedding_dense_backward(grad, rows, 60, -1, false));
  expect_close(at::cat({there_x, there_x}, 1), at::cat({x, x}, 1));
  EXPECT_TRUE(fallbacks().empty());
}

/// As a graphics card gets them: in work groups of other shapes for few rows than for many.
TEST(WebglMatrix, ShadersForAGraphicsCardMakeTheSameProducts) {
  require_available();
  const bool software = describe().software;
  Context::get().set_software(false);
  for (const int64_t inner : {20, 23}) {
    const auto right = at::randn({inner, 90});
    const auto there_right = right.to(device());
    for (const int64_t rows : {8, 64, 1, 88, 3, 40, 32, 150, 9}) {
      SCOPED_TRACE(rows);
      const auto left = at::randn({rows, inner});
      expect_close(at::mm(left.to(device()), there_right), at::mm(left, right));
    }
  }
  Context::get().set_software(software);
}

TEST(WebglBlocks, ATensorLargerThanABlockOfTheDriver) {
  require_available();
  // Some show more of a buffer than they make one of.
  const auto block = std::min<int64_t>(describe().max_block_bytes, 1 << 27);
  const SmallBlocks small(block);
  const int64_t rows = block / 4096 + 7;  // of 1024 floats
  const auto column = at::arange(rows, at::kFloat).unsqueeze(1).mul_(1e-3);
  auto big = at::zeros({rows, 1024}, at::TensorOptions().dtype(at::kFloat).device(device()));
  big.add_(column.to(device()));
  EXPECT_GT(static_cast<int64_t>(big.nbytes()), block);
  expect_close(big.narrow(1, 1000, 1), column);
  expect_close(big.mean(1), column.squeeze(1));
}

TEST(WebglWork, WhatWouldTakeADriverTooLongIsDoneInParts) {
  require_available();
  reset_fallbacks();
  const auto x = at::randn({70, 300});
  const auto y = at::randn({300, 90});
  const auto queries = at::randn({4, 9, 8});
  const auto keys = at::randn({2, 20, 8});
  const auto attended = [&] {
    return attend(queries.to(device()), keys.to(device()), keys.to(device()).neg(), 0.3, 11, 6).cpu();
  };
  const auto multiplied = [&] { return at::mm(x.to(device()), y.to(device())).cpu(); };
  const auto dispatches_of = [](const auto& work) {
    const auto before = Context::get().dispatches;
    work();
    return Context::get().dispatches - before;
  };
  const auto whole = attended();
  const auto product = multiplied();
  const auto dispatches = std::pair(dispatches_of(multiplied), dispatches_of(attended));
  Context::get().set_work(3000);
  EXPECT_GT(dispatches_of(multiplied), dispatches.first + 100);
  EXPECT_EQ(dispatches_of(attended), dispatches.second + 4)
      << "nine rows by two, of 2 * 4 * 20 * 8 multiplications each";
  const auto in_parts = multiplied();
  const auto row = at::mm(x.narrow(0, 0, 1).to(device()), y.to(device())).cpu();
  const auto attended_in_parts = attended();
  Context::get().set_work(0);
  expect_close(product, at::mm(x, y));
  EXPECT_TRUE(at::equal(in_parts, product));
  expect_close(row, at::mm(x.narrow(0, 0, 1), y));
  EXPECT_TRUE(at::equal(attended_in_parts, whole));
  EXPECT_TRUE(fallbacks().empty());
}

TEST(WebglErrors, AShaderTheDriverRefusesComesWithItsLog) {
  require_available();
  try {
    compile_only("layout(local_size_x = 1) in;\nvoid main() { nonsense = 1; }\n");
    FAIL();
  } catch (const LMError& e) {
    EXPECT_EQ(e.kind(), ErrorKind::internal);
    EXPECT_NE(std::string(e.what()).find("nonsense"), std::string::npos) << e.what();
  }
  EXPECT_EQ(at::ones({2}, at::TensorOptions().device(device())).sum().item<float>(), 2);
}

TEST(WebglErrors, NoMemoryLeft) {
  const auto before = memory().allocated;
  try {
    const auto huge = at::empty({int64_t{1} << 46}, at::TensorOptions().dtype(at::kFloat).device(device()));
    FAIL();
  } catch (const LMError& e) {
    EXPECT_EQ(e.kind(), ErrorKind::out_of_memory) << e.what();
  }
  EXPECT_EQ(memory().allocated, before);
  EXPECT_EQ(at::ones({2}, at::TensorOptions().device(device())).sum().item<float>(), 2);
}

TEST(WebglErrors, ALostContextSaysSoAndANewOneFollows) {
  require_available();
  {
    const auto tensor = at::ones({4}, at::TensorOptions().device(device()));
    Context::get().lose();
    try {
      static_cast<void>(tensor.sum().item<float>());
      FAIL();
    } catch (const LMError& e) {
      EXPECT_EQ(e.kind(), ErrorKind::inference);
      EXPECT_NE(std::string(e.what()).find("lost"), std::string::npos) << e.what();
    }
    EXPECT_EQ(at::ones({4}).sum().item<float>(), 4);  // the CPU
  }
  // All of the lost context is gone: the device starts anew.
  EXPECT_EQ(at::ones({4}, at::TensorOptions().device(device())).sum().item<float>(), 4);
}

using WebglErrorsDeathTest = ::testing::Test;

// In a process of its own, since EGL is loaded once.
TEST(WebglErrorsDeathTest, NoEglLibrary) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto run = [] {
    ::setenv("DSTORCH_EGL_LIBRARY", "libEGL-that-is-not-there.so", 1);
    const auto reason = why_unavailable();
    bool thrown = false;
    try {
      Device::parse("webgl").require_available();
    } catch (const LMError& e) {
      thrown = e.kind() == ErrorKind::unsupported && reason == e.what();
    }
    const bool cpu_works = at::ones({3}).sum().item<float>() == 3;
    std::fprintf(stderr, "thrown %d cpu %d %s\n", thrown, cpu_works, reason.c_str());
    std::_Exit(0);
  };
  EXPECT_EXIT(run(), ::testing::ExitedWithCode(0), "thrown 1 cpu 1 .*libEGL-that-is-not-there.so.*libgl1-mesa-dri");
}

TEST(WebglThreads, ManyAtOnce) {
  std::vector<std::thread> threads;
  std::vector<float> sums(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      auto x = at::full({64, 64}, static_cast<double>(i + 1), at::TensorOptions().device(device()));
      for (int step = 0; step < 20; ++step) {
        x = at::mm(x, x) / (64.0 * (i + 1));
      }
      sums[static_cast<std::size_t>(i)] = x.mean().item<float>();
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  for (int i = 0; i < 4; ++i) {
    EXPECT_NEAR(sums[static_cast<std::size_t>(i)], i + 1, 1e-3);
  }
}

}  // namespace
}  // namespace dstorch::webgl
