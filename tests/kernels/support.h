#pragma once

#include <gtest/gtest.h>
#include <hwy/highway.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <random>
#include <vector>

#include "ops/cpu/bf16_product.h"
#include "ops/cpu/bf16_tiles.h"
#include "ops/cpu/half.h"
#include "ops/cpu/thread_pool.h"
#include "ops/cpu/types.h"
#include "support/tolerances.h"

namespace dstorch::ops::cpu {

using test::Compared;

/// The kernels that this thread calls run on so many threads from here on.
inline void use_threads(int threads) {
  static std::map<int, std::unique_ptr<ThreadPool>> pools;
  static std::optional<ThreadPool::Use> use;
  auto& pool = pools[threads];
  if (pool == nullptr) {
    pool = std::make_unique<ThreadPool>(threads);
  }
  use.reset();
  use.emplace(*pool);
}

/// One way of computing that is compiled in and that this processor has.
struct Kernels {
  int64_t target = 0;  // instruction set, as Highway numbers them
  bool bf16_products = false;
  bool bf16_tiles = false;
};

inline std::vector<Kernels> every_kernels() {
  std::vector<Kernels> all;
  for (const auto target : hwy::SupportedAndGeneratedTargets()) {
    all.push_back({target});
    if (HWY_ARCH_X86_64 && target <= HWY_AVX3 && bf16_products()) {
      all.push_back({target, true});
      if (bf16_tiles()) {
        all.push_back({target, true, true});
      }
    }
  }
  return all;
}

/// Runs each test once for each of them.
class EveryTarget : public ::testing::TestWithParam<Kernels> {
 protected:
  void SetUp() override {
    hwy::SetSupportedTargetsForTest(GetParam().target);
    allow_bf16_products(GetParam().bf16_products);
    allow_bf16_tiles(GetParam().bf16_tiles);
    use_threads(2);
  }
  void TearDown() override {
    hwy::SetSupportedTargetsForTest(0);
    allow_bf16_products(true);
    allow_bf16_tiles(true);
  }
  /// x as it meets weights of a type.
  static float met(float x, DType weights) {
    return weights == DType::bfloat16 && GetParam().bf16_products ? to_float(from_float<Bf16>(x)) : x;
  }
};

inline std::ostream& operator<<(std::ostream& out, const Kernels& kernels) {
  return out << hwy::TargetName(kernels.target)
             << (kernels.bf16_tiles      ? "_TILES"
                 : kernels.bf16_products ? "_BF16"
                                         : "");
}

#define DSTORCH_EVERY_TARGET(suite) \
  INSTANTIATE_TEST_SUITE_P(, suite, ::testing::ValuesIn(every_kernels()), ::testing::PrintToStringParamName())

constexpr DType kStoredTypes[] = {DType::float32, DType::bfloat16, DType::float16};

/// Numbers of a type in memory that begins one element off any alignment and ends where the allocation does, so that
/// the address sanitizer sees what reads too far. The values as they were rounded, too.
class Stored {
 public:
  Stored() = default;
  Stored(DType dtype, const std::vector<float>& values) : dtype_(dtype), bytes_((values.size() + 1) * size_of(dtype)) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      with_element(dtype, [&]<class T>(const T*) {
        const auto element = from_float<T>(values[i]);
        std::memcpy(bytes_.data() + (i + 1) * sizeof(T), &element, sizeof(T));
        values_.push_back(to_float(element));
      });
    }
  }
  const void* data() const { return bytes_.data() + size_of(dtype_); }
  Vector vector() const { return {data(), dtype_}; }
  DType dtype() const { return dtype_; }
  float operator[](std::size_t i) const { return values_[i]; }

 private:
  DType dtype_ = DType::float32;
  std::vector<unsigned char> bytes_;
  std::vector<float> values_;
};

inline std::vector<float> random_floats(int64_t count, unsigned seed, float scale = 1.0f) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (auto& value : values) {
    value = normal(engine);
  }
  return values;
}

inline bool same_bits(const float* a, const float* b, int64_t count) {
  return std::memcmp(a, b, static_cast<std::size_t>(count) * sizeof(float)) == 0;
}

}  // namespace dstorch::ops::cpu
