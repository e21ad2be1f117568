// What a path leads to.
#include "dstorch/model_source.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "core/atomic_file.h"
#include "dstorch/error.h"
#include "support/paths.h"

namespace dstorch {
namespace {

namespace fs = std::filesystem;
using Kind = ModelSource::Kind;

class Resolving : public testing::Test {
 protected:
  Resolving() { fs::create_directories(folder_); }
  ~Resolving() override { fs::remove_all(folder_); }

  /// Tensors of these shapes, each of zeros.
  void put_weights(const std::string& name, const std::vector<std::vector<int64_t>>& shapes) const {
    static const std::array<float, 64> zeros{};
    std::vector<TensorView> views;
    for (const auto& shape : shapes) {
      TensorView view;
      view.name = fmt::format("t{}", views.size());
      view.dtype = DType::float32;
      view.shape = shape;
      view.strides = {shape[1], 1};
      view.storage = std::as_bytes(std::span(zeros).first(static_cast<std::size_t>(shape[0] * shape[1])));
      views.push_back(view);
    }
    save_safetensors(folder_ / name, views);
  }
  void put_config() const { write_file(folder_ / "config.json", R"({"model_type": "llama"})"); }
  void put_stack(const std::string& name) const { put_weights(name, {{3, 2}, {4, 3}}); }
  void put_other(const std::string& name) const { put_weights(name, {{3, 2}, {4, 5}}); }
  [[nodiscard]] Kind kind_of(const std::string& name) const { return resolve(folder_ / name).kind; }

  fs::path folder_ = fs::temp_directory_path() / ("dstorch_resolving_" + std::to_string(::getpid()));
};

TEST_F(Resolving, ADirectoryWithAConfigIsALanguageModel) {
  put_config();
  put_stack("model.safetensors");
  const auto source = resolve(folder_);
  EXPECT_EQ(source.kind, Kind::language_model);
  EXPECT_EQ(source.architecture(), "llama");
  EXPECT_EQ(source.directory, folder_);
  EXPECT_EQ(source.config, folder_ / "config.json");
  ASSERT_NE(source.checkpoint, nullptr);
  EXPECT_EQ(source.checkpoint->tensors().size(), 2U);
}

TEST_F(Resolving, AConfigThatDoesNotSayWhatItIs) {
  for (const auto* config : {"{}", R"({"model_type": 7})", "no config"}) {
    write_file(folder_ / "config.json", config);
    EXPECT_EQ(kind_of(""), Kind::language_model) << config;
    EXPECT_EQ(resolve(folder_).architecture(), std::nullopt) << config;
  }
}

TEST_F(Resolving, AConfigAloneIsOneWithoutWeights) {
  put_config();
  EXPECT_EQ(kind_of(""), Kind::language_model);
  EXPECT_EQ(resolve(folder_).checkpoint, nullptr);
  const auto source = resolve(folder_ / "config.json");
  EXPECT_EQ(source.kind, Kind::language_model);
  EXPECT_EQ(source.directory, folder_);
  EXPECT_EQ(source.checkpoint, nullptr);
}

TEST_F(Resolving, OfAFileTheContentDecidesFirst) {
  put_stack("stack.safetensors");
  put_other("other.safetensors");
  EXPECT_EQ(kind_of("stack.safetensors"), Kind::plain_network);
  EXPECT_EQ(kind_of("other.safetensors"), Kind::tensors);
  EXPECT_EQ(resolve(folder_ / "stack.safetensors").architecture(), "simple_transformer");
  EXPECT_EQ(resolve(folder_ / "other.safetensors").architecture(), std::nullopt);
  put_config();
  EXPECT_EQ(kind_of("stack.safetensors"), Kind::plain_network);
  const auto source = resolve(folder_ / "other.safetensors");
  EXPECT_EQ(source.kind, Kind::language_model) << "a model's own file of weights";
  EXPECT_EQ(source.config, folder_ / "config.json");
  EXPECT_EQ(source.directory, folder_);
}

TEST_F(Resolving, ADirectoryOfWeightsAlone) {
  put_stack("model.safetensors");
  EXPECT_EQ(kind_of(""), Kind::plain_network);
  put_other("model.safetensors");
  EXPECT_EQ(kind_of(""), Kind::tensors);
}

TEST_F(Resolving, AnArchive) {
  const auto source = resolve(test::source_dir() / "tests/parity/fixtures/torchscript/lm.pt");
  EXPECT_EQ(source.kind, Kind::torchscript);
}

TEST_F(Resolving, OpensAsItIsTold) {
  put_stack("model.safetensors");
  put_config();
  EXPECT_EQ(resolve(folder_, CheckpointAccess::copy).checkpoint->access(), CheckpointAccess::copy);
  EXPECT_EQ(resolve(folder_ / "model.safetensors", CheckpointAccess::copy).checkpoint->access(),
            CheckpointAccess::copy);
}

TEST_F(Resolving, SaysWhatIsWrong) {
  const auto kind = [&](const std::string& name) {
    try {
      resolve(folder_ / name);
    } catch (const LMError& error) {
      return error.kind();
    }
    return ErrorKind::internal;
  };
  EXPECT_EQ(kind("nothing"), ErrorKind::not_found);
  EXPECT_EQ(kind(""), ErrorKind::not_found) << "an empty directory";
  put_config();
  write_file(folder_ / "model.safetensors", "no weights");
  EXPECT_EQ(kind(""), ErrorKind::format) << "not as if there were none";
}

}  // namespace
}  // namespace dstorch
