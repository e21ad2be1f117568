#include "ops/cpu/half.h"

#include <cmath>
#include <limits>

#include "kernels/support.h"
#include "ops/cpu/linear.h"

namespace dstorch::ops::cpu {
namespace {

double value_of_half(uint32_t bits) {
  const int exponent = static_cast<int>(bits >> 10 & 31);
  const double fraction = bits & 1023;
  const double magnitude = exponent == 31  ? (fraction == 0 ? INFINITY : NAN)
                           : exponent == 0 ? std::ldexp(fraction, -24)
                                           : std::ldexp(fraction + 1024, exponent - 25);
  return bits & 0x8000 ? -magnitude : magnitude;
}

TEST(Half, EveryValueThereAndBack) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const F16 half{static_cast<uint16_t>(bits)};
    const Bf16 brain{static_cast<uint16_t>(bits)};
    const auto want = value_of_half(bits);
    if (std::isnan(want)) {
      EXPECT_TRUE(std::isnan(to_float(half)));
      EXPECT_TRUE(std::isnan(to_float(from_float<F16>(to_float(half)))));
    } else {
      ASSERT_EQ(to_float(half), want) << bits;
      ASSERT_EQ(from_float<F16>(to_float(half)).bits, bits);
    }
    if (!std::isnan(to_float(brain))) {
      ASSERT_EQ(from_float<Bf16>(to_float(brain)).bits, bits);
    }
  }
}

TEST(Half, RoundsToNearestEven) {
  for (uint32_t bits = 0; bits < 0x7bff; ++bits) {  // between each half and the next
    const auto low = value_of_half(bits), high = value_of_half(bits + 1), middle = (low + high) / 2;
    ASSERT_EQ(from_float<F16>(static_cast<float>(middle)).bits, bits + (bits & 1));
    ASSERT_EQ(from_float<F16>(std::nextafter(static_cast<float>(middle), 0.0f)).bits, bits);
    ASSERT_EQ(from_float<F16>(-std::nextafter(static_cast<float>(middle), 1e9f)).bits, 0x8000 + bits + 1);
  }
  EXPECT_EQ(from_float<F16>(65519.0f).bits, 0x7bff);
  EXPECT_EQ(from_float<F16>(65520.0f).bits, 0x7c00);
  EXPECT_EQ(from_float<F16>(1e30f).bits, 0x7c00);
  EXPECT_EQ(from_float<Bf16>(1.00390625f).bits, 0x3f80);  // a tie goes to the even one
  EXPECT_EQ(from_float<Bf16>(1.01171875f).bits, 0x3f82);
  EXPECT_EQ(from_float<Bf16>(3.4e38f).bits, 0x7f80);
  EXPECT_TRUE(std::isnan(to_float(from_float<Bf16>(std::bit_cast<float>(0x7f800001u)))));
}

class WideningLoads : public EveryTarget {};
DSTORCH_EVERY_TARGET(WideningLoads);

TEST_P(WideningLoads, EveryHalfValue) {
  for (const auto dtype : {DType::float16, DType::bfloat16}) {
    std::vector<uint16_t> bits(65536);
    for (std::size_t i = 0; i < bits.size(); ++i) bits[i] = static_cast<uint16_t>(i);
    std::vector<float> ones(1, 1.0f), y(bits.size());
    // Sixteen features, fifteen of them zero in x, would turn infinities into NaN: one feature a row.
    const Matrix matrix{bits.data(), dtype, 65536, 1, {}};
    linear({{ones.data(), 1, 1, 1}, {}, {&matrix, 1}, y.data(), 65536});
    for (std::size_t i = 0; i < bits.size(); ++i) {
      const auto want = dtype == DType::float16 ? to_float(F16{bits[i]}) : to_float(Bf16{bits[i]});
      const bool subnormal = want != 0 && std::abs(want) < std::numeric_limits<float>::min();
      if (subnormal && GetParam().bf16_products) {
        ASSERT_EQ(y[i], 0.0f) << i;  // the instruction takes them for zero
      } else if (std::isnan(want)) {
        ASSERT_TRUE(std::isnan(y[i])) << i;
      } else {
        ASSERT_EQ(y[i], want) << i;
      }
    }
  }
}

#if HWY_ARCH_X86_64
TEST(RoundRow, RoundsAsFromFloatDoesAndPadsWithZeros) {
  if (!bf16_products()) {
    GTEST_SKIP() << "this processor has no bfloat16 products";
  }
  std::vector<float> x = random_floats(200, 3);
  x[1] = INFINITY, x[2] = -INFINITY, x[3] = 1.00390625f, x[4] = 1.01171875f, x[5] = 3.4e38f, x[6] = -0.0f;
  for (const int64_t count : {1, 31, 32, 33, 63, 64, 200}) {
    std::vector<Bf16> y(static_cast<std::size_t>((count + kBf16Lanes - 1) / kBf16Lanes * kBf16Lanes), Bf16{0xffff});
    round_row(x.data(), count, y.data());
    for (std::size_t i = 0; i < y.size(); ++i) {
      ASSERT_EQ(y[i].bits, static_cast<int64_t>(i) < count ? from_float<Bf16>(x[i]).bits : 0) << count << " " << i;
    }
  }
  const float strange[] = {NAN, 1e-40f};
  Bf16 y[kBf16Lanes];
  round_row(strange, 2, y);
  EXPECT_TRUE(std::isnan(to_float(y[0])));
  EXPECT_EQ(y[1].bits, 0);
}
#endif

}  // namespace
}  // namespace dstorch::ops::cpu
