#include "nn/rope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace dstorch::nn {
namespace {

constexpr int64_t kHeadDim = 8;

/// The angle of `position` in dimension pair `pair`, from its cosine and sine.
double angle(Rope& rope, int64_t position, int64_t pair) {
  const auto table = rope.table(position + 1);
  return std::atan2(table.sin[position][pair].item<double>(), table.cos[position][pair].item<double>());
}

RopeConfig parse(const char* text) { return RopeConfig::from_json(Json::parse(text), 10000.0, 64); }

TEST(Rope, DefaultFrequenciesFallGeometrically) {
  Rope rope(parse("{}"), kHeadDim, at::kCPU);
  for (int64_t pair = 0; pair < kHeadDim / 2; ++pair) {
    EXPECT_NEAR(angle(rope, 1, pair), std::pow(10000.0, -2.0 * static_cast<double>(pair) / kHeadDim), 1e-6);
  }
  EXPECT_NEAR(angle(rope, 3, 0), 3.0, 1e-6);
}

TEST(Rope, ScalingThatIsNoObjectIsAnError) {
  for (const char* text :
       {R"({"rope_scaling": "x"})", R"({"rope_scaling": []})", R"({"rope_scaling": 2.0})", R"({"rope_scaling": false})",
        R"({"rope_parameters": "yarn"})", R"({"rope_scaling": null, "rope_parameters": 1})"}) {
    try {
      parse(text);
      ADD_FAILURE() << text;
    } catch (const LMError& e) {
      EXPECT_EQ(e.kind(), ErrorKind::format);
      EXPECT_NE(std::string(e.what()).find("must be an object or null"), std::string::npos) << e.what();
    }
  }
  EXPECT_EQ(parse(R"({"rope_scaling": null, "rope_parameters": null})").type, "default");
  EXPECT_EQ(parse(R"({"rope_scaling": null, "rope_parameters": {"rope_type": "linear", "factor": 2.0}})").type,
            "linear");
}

TEST(Rope, GrowingKeepsTheRows) {
  Rope rope(parse("{}"), kHeadDim, at::kCPU);
  const auto few = rope.table(4);
  const auto many = rope.table(5000);
  EXPECT_GE(many.cos.size(0), 5000);
  EXPECT_TRUE(at::equal(few.cos, many.cos.narrow(0, 0, few.cos.size(0))));
}

TEST(Rope, OldAndNewSpellingsMeanTheSame) {
  const auto old_style = parse(R"({"rope_theta": 500.0, "rope_scaling": {"type": "linear", "factor": 4.0}})");
  const auto new_style = parse(R"({"rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 500.0}})");
  Rope a(old_style, kHeadDim, at::kCPU);
  Rope b(new_style, kHeadDim, at::kCPU);
  EXPECT_TRUE(at::equal(a.table(10).cos, b.table(10).cos));
  EXPECT_NEAR(angle(a, 1, 0), 0.25, 1e-6);
  EXPECT_NEAR(angle(a, 1, 1), 0.25 * std::pow(500.0, -0.25), 1e-6);
}

TEST(Rope, Llama3KeepsHighAndDividesLowFrequencies) {
  const auto config = parse(R"({"rope_theta": 10000.0, "rope_scaling": {"rope_type": "llama3", "factor": 8.0,
      "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}})");
  Rope rope(config, kHeadDim, at::kCPU);
  // Wavelengths 2 pi, 63, 628, 6283 of a context of 64: kept, interpolated, divided, divided.
  EXPECT_NEAR(angle(rope, 1, 0), 1.0, 1e-6);
  const double smooth = (64 / (20 * std::numbers::pi) - 1) / 3;
  EXPECT_NEAR(angle(rope, 1, 1), (1 - smooth) * 0.1 / 8 + smooth * 0.1, 1e-6);
  EXPECT_NEAR(angle(rope, 1, 2), 0.01 / 8, 1e-7);
  EXPECT_NEAR(angle(rope, 1, 3), 0.001 / 8, 1e-8);
}

/// What transformers computes for Llama 3.2 1B: kept up to pair 14, the last of the interpolated is 17.
TEST(Rope, Llama32FrequenciesAreThoseOfTransformers) {
  const auto config = parse(R"({"rope_theta": 500000.0, "rope_scaling": {"rope_type": "llama3", "factor": 32.0,
      "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}})");
  Rope rope(config, 64, at::kCPU);
  const std::pair<int64_t, double> expected[] = {
      {0, 1.0},
      {10, 0.016560440883040428},
      {14, 0.0032114461064338684},
      {15, 0.0012905480107292533},
      {16, 0.000429556705057621},
      {17, 9.708286233944818e-05},
      {18, 1.9461638657958247e-05},
      {19, 1.291476746700937e-05},
      {31, 9.418306490260875e-08},
  };
  for (const auto& [pair, frequency] : expected) {
    EXPECT_NEAR(angle(rope, 1, pair), frequency, 1e-6 * frequency) << pair;
  }
}

TEST(Rope, YarnScalesTheAmplitude) {
  const auto config = parse(R"({"rope_scaling": {"rope_type": "yarn", "factor": 4.0,
      "original_max_position_embeddings": 16}})");
  Rope rope(config, kHeadDim, at::kCPU);
  EXPECT_NEAR(rope.table(1).cos[0][0].item<double>(), 0.1 * std::log(4.0) + 1, 1e-6);
}

TEST(Rope, RefusesWhatItDoesNotKnow) {
  EXPECT_THROW(parse(R"({"rope_scaling": {"rope_type": "longrope", "factor": 4.0}})"), LMError);
  EXPECT_THROW(parse(R"({"rope_theta": 0})"), LMError);
  EXPECT_THROW(parse(R"({"partial_rotary_factor": 0.5, "rope_scaling": {"rope_type": "linear", "factor": 2.0}})"),
               LMError);
  EXPECT_THROW(Rope(parse("{}"), 7, at::kCPU), LMError);
}

}  // namespace
}  // namespace dstorch::nn
