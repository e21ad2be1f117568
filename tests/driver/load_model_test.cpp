// What loading refuses, and that nothing of a refused file was run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/script.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "driver/test_models.h"

namespace dstorch {
namespace {

namespace fs = std::filesystem;

using test::error_of;
using test::load;
using testing::HasSubstr;

class Scripts : public testing::Test {
 protected:
  Scripts() {
    std::string name = (fs::temp_directory_path() / "dstorch-scripts-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  ~Scripts() override { fs::remove_all(folder_); }

  /// An archive whose program writes `trace()`: as it is loaded, and whenever it is called.
  void save_program(const fs::path& file) const {
    // Its result is used, or LibTorch leaves the call out.
    const auto write = "torch.from_file('" + trace().string() + "', True, 16).fill_(65).sum() * 0\n";
    torch::jit::Module module("Program");
    module.register_parameter("weight", torch::ones({1, 1}), false);
    module.register_attribute("training", c10::BoolType::get(), true);
    module.define("def forward(self, x):\n    return x * self.weight + " + write);
    module.define("def __getstate__(self):\n    return (self.weight, self.training)\n");
    module.define(
        "def __setstate__(self, state: Tuple[Tensor, bool]):\n    self.training = state[1]\n"
        "    self.weight = state[0] + " +
        write);
    module.save(file.string());
  }

  [[nodiscard]] fs::path trace() const { return folder_ / "trace"; }

  fs::path folder_;
};

TEST_F(Scripts, RunOnlyWithTheCallersWord) {
  save_program(folder_ / "model.pt");
  fs::create_directory(folder_ / "directory");
  save_program(folder_ / "directory/pytorch_model.bin");
  for (const auto& path : {folder_ / "model.pt", folder_ / "directory", folder_ / "directory/pytorch_model.bin"}) {
    fs::remove(trace());
    const auto error = error_of([&] { load({.model_path = path}); });
    EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
    EXPECT_THAT(error.what(), HasSubstr("is a TorchScript archive: a program, which can read and write your files. It "
                                        "runs only with TorchModelConfig::allow_scripts (--allow-scripts"));
    EXPECT_THROW(plan_memory({.model_path = path}), LMError);
    EXPECT_THROW(load({.model_path = path, .memory_limit = int64_t{1} << 30}), LMError);
    EXPECT_FALSE(fs::exists(trace())) << "some of " << path << " was run";

    const auto model = load({.model_path = path, .allow_scripts = true});
    EXPECT_TRUE(fs::exists(trace())) << "this is what a script may do; the test above would see it";
    EXPECT_THAT(model->generate("abc"), HasSubstr("shape: 1x1"));
  }
}

// A config.json beside an archive must not lead around the question.
TEST_F(Scripts, AreNotRunAsTheWeightsOfADirectory) {
  save_program(folder_ / "pytorch_model.bin");
  std::ofstream(folder_ / "config.json") << R"({"model_type": "llama", "hidden_size": 8, "intermediate_size": 8,
    "num_hidden_layers": 1, "num_attention_heads": 1, "vocab_size": 8})";
  EXPECT_EQ(error_of([&] { load({.model_path = folder_}); }).kind(), ErrorKind::format);
  EXPECT_FALSE(fs::exists(trace()));
}

}  // namespace
}  // namespace dstorch
