// What a run leaves to look at.
#include "train/metrics.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "core/atomic_file.h"

namespace dstorch::training {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class MetricsFile : public testing::Test {
 protected:
  MetricsFile() : folder_(fs::temp_directory_path() / fmt::format("dstorch_metrics_{}", ::getpid())) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~MetricsFile() override { fs::remove_all(folder_); }

  static TrainingStep step(int64_t number, double loss) {
    TrainingStep result;
    result.step = number;
    result.loss = loss;
    return result;
  }

  [[nodiscard]] std::string lines() const { return read_file(folder_ / "metrics.jsonl"); }

  fs::path folder_;
};

TEST_F(MetricsFile, ForgetsWhatCameAfterTheStateThatIsGoneOnFrom) {
  {
    Metrics metrics(folder_);
    metrics.resume(-1);
    auto first = step(0, 0);
    first.held_out_loss = 7.5;
    metrics.add(first);
    for (int64_t i = 1; i <= 5; ++i) {
      metrics.add(step(i, 6.0 - static_cast<double>(i)));
    }
  }
  EXPECT_THAT(lines(), testing::StartsWith("{\"step\":0,\"held_out_loss\":7.5}\n{\"step\":1,\"loss\":5.0,"));
  // Killed in the middle of a line.
  write_file(folder_ / "metrics.jsonl", lines() + "{\"step\":6,\"lo");
  Metrics metrics(folder_);
  metrics.resume(3);
  ASSERT_EQ(metrics.entries().size(), 4U);
  EXPECT_EQ(metrics.entries()[0].held_out_loss, 7.5);
  EXPECT_FALSE(metrics.entries()[0].loss);
  EXPECT_EQ(metrics.entries()[3].loss, 3.0);
  EXPECT_EQ(lines().find("\"step\":4"), std::string::npos);
  metrics.add(step(4, 1.5));
  EXPECT_THAT(lines(), HasSubstr("\"step\":3,\"loss\":3.0"));
  EXPECT_THAT(lines(), HasSubstr("\"step\":4,\"loss\":1.5"));
  Metrics anew(folder_);
  anew.resume(-1);
  EXPECT_TRUE(anew.entries().empty());
  EXPECT_EQ(lines(), "");
}

/// The places of a line's points.
std::vector<std::pair<double, double>> points(const std::string& svg, std::size_t number) {
  std::size_t at = 0;
  for (std::size_t i = 0; i <= number; ++i) {
    at = svg.find("points=\"", at) + 8;
  }
  std::vector<std::pair<double, double>> result;
  while (svg[at] != '"') {
    std::size_t read = 0;
    const auto x = std::stod(svg.substr(at, 40), &read);
    at += read + 1;
    const auto y = std::stod(svg.substr(at, 40), &read);
    at += read + 1;
    result.emplace_back(x, y);
  }
  return result;
}

TEST(DrawLosses, FallingLossesFallInThePicture) {
  std::vector<Metrics::Entry> entries{{0, {}, 9.0, {}}};
  for (int64_t i = 1; i <= 200; ++i) {
    entries.push_back({i, 8.0 / static_cast<double>(i) + 1, i % 50 == 0 ? std::optional(2.0) : std::nullopt, {}});
  }
  const auto svg = draw_losses(entries);
  const auto steps = points(svg, 0);
  ASSERT_EQ(steps.size(), 200U);
  for (std::size_t i = 1; i < steps.size(); ++i) {
    EXPECT_GT(steps[i].first, steps[i - 1].first);
    EXPECT_GE(steps[i].second, steps[i - 1].second) << "down is larger in SVG";
  }
  const auto held_out = points(svg, 2);
  ASSERT_EQ(held_out.size(), 5U);
  EXPECT_LT(held_out[0].second, held_out[1].second);
  for (const auto& [x, y] : held_out) {
    EXPECT_TRUE(x >= 64 && x <= 776 && y >= 40 && y <= 372) << x << ", " << y;
  }
  EXPECT_THAT(svg, HasSubstr("held out</text>"));
  EXPECT_THAT(svg, testing::EndsWith("</svg>\n"));
}

TEST(DrawLosses, DrawsFewAndManyAndEqualLosses) {
  EXPECT_THAT(draw_losses({}), HasSubstr("</svg>"));
  EXPECT_EQ(draw_losses({{1, 0.0, {}, {}}}).find("nan"), std::string::npos);
  std::vector<Metrics::Entry> many;
  for (int64_t i = 1; i <= 100000; ++i) {
    many.push_back({i, 2.0, {}, {}});
  }
  const auto svg = draw_losses(many);
  EXPECT_LT(svg.size(), 100000U) << "a picture stays small";
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("held out"), std::string::npos);
}

}  // namespace
}  // namespace dstorch::training
