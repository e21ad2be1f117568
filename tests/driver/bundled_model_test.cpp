#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "dstorch/torch_model.h"
#include "support/paths.h"

namespace dstorch {
namespace {

/// The model in the source tree, whatever is installed.
class BundledModel : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    model_ = std::make_unique<TorchModel>(TorchModelConfig{.model_path = test::source_dir() / "models/default"});
    model_->init();
  }
  static void TearDownTestSuite() { model_.reset(); }

  static GenerationResult complete(const std::string& prompt) {
    GenerationOptions options;
    options.temperature = 0;
    return model_->complete(prompt, options);
  }

  /// What it takes for the section of a package it may never have seen.
  static std::string section_of(const std::string& name) {
    const auto text = complete(name + "\t").text;
    return text.substr(0, text.find('\t'));
  }

  static inline std::unique_ptr<TorchModel> model_;
};

TEST_F(BundledModel, NeedsFewerBitsThanXzForLinesItHasNotSeen) {
  std::ifstream file(test::source_dir() / "tests/data/held-out-packages.tsv", std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  ASSERT_EQ(std::count(text.begin(), text.end(), '\n'), 300);
  const auto result = model_->perplexity(text);
  EXPECT_EQ(result.bytes, static_cast<int64_t>(text.size()));
  // xz -9e, given the lines the model learned from first, needs 1.53 for the whole held-out tenth and 1.65 for these.
  EXPECT_LT(result.bits_per_byte, 1.53);
  EXPECT_GT(result.bits_per_byte, 0.9);  // Less would mean that it has seen them.
}

TEST_F(BundledModel, SaysAPackagesSectionAndStopsAfterItsLine) {
  const auto result = complete("python3-yaml\t");
  EXPECT_EQ(result.text.rfind("python\t", 0), 0U) << result.text;
  EXPECT_EQ(result.text.find('\n'), std::string::npos) << result.text;
  EXPECT_EQ(result.finish_reason, FinishReason::stop);
  EXPECT_GT(result.text.size(), std::string("python\t").size() + 8);
  EXPECT_EQ(section_of("libfoobar-dev"), "libdevel");
  EXPECT_EQ(section_of("libfoobar-perl"), "perl");
  EXPECT_EQ(section_of("fonts-foobar"), "fonts");
}

TEST_F(BundledModel, TakesMoreThanItsWindow) {
  std::string lines;
  for (int i = 0; i < 60; ++i) {
    lines += "python3-example" + std::to_string(i) + "\tpython\texample number " + std::to_string(i) + "\n";
  }
  ASSERT_GT(model_->tokenizer()->encode(lines).size(), 512U);  // Twice the attention's 256 tokens.
  EXPECT_EQ(section_of(lines + "python3-example60"), "python");
}

}  // namespace
}  // namespace dstorch
