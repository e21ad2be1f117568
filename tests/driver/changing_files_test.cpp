// What happens to a loaded model when its files change.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "driver/test_models.h"
#include "dstorch/checkpoint.h"
#include "support/paths.h"

namespace dstorch {
namespace {

namespace fs = std::filesystem;

using test::error_of;
using test::greedy;
using test::load;
using testing::HasSubstr;

const fs::path kModels = test::source_dir() / "tests/parity/fixtures";

class ChangingFiles : public testing::Test {
 protected:
  ChangingFiles() {
    std::string name = (fs::temp_directory_path() / "dstorch-changing-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    fs::copy(kModels / "text/model", folder_ / "model");
    for (const auto& entry : fs::directory_iterator(folder_ / "model")) {
      fs::permissions(entry.path(), fs::perms::owner_write, fs::perm_options::add);
    }
  }
  ~ChangingFiles() override { fs::remove_all(folder_); }

  [[nodiscard]] fs::path weights() const { return folder_ / "model/model.safetensors"; }

  /// Other numbers in the place of half of the weights.
  void overwrite() const {
    const auto size = fs::file_size(weights());
    std::fstream file(weights(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(size / 2));
    file << std::string(size / 2, '@');
  }

  fs::path folder_;
};

TEST_F(ChangingFiles, ACopyStaysWhatItWas) {
  const auto model = load({.model_path = folder_ / "model", .copy_weights = true});
  const auto expected = load({.model_path = kModels / "text/model"})->complete("A mapped file", greedy(12)).tokens;
  overwrite();
  EXPECT_EQ(model->complete("A mapped file", greedy(12)).tokens, expected);
  fs::resize_file(weights(), 100);
  EXPECT_EQ(model->complete("A mapped file", greedy(12)).tokens, expected);
  fs::remove_all(folder_ / "model");
  EXPECT_EQ(model->complete("A mapped file", greedy(12)).tokens, expected);
}

TEST_F(ChangingFiles, ACopyIsCountedAsMemoryOfItsOwn) {
  const auto mapped = load({.model_path = folder_ / "model"})->memory();
  const auto copied = load({.model_path = folder_ / "model", .copy_weights = true})->memory();
  EXPECT_GT(mapped.mapped.bytes, 0);
  EXPECT_EQ(copied.mapped.bytes, 0);
  EXPECT_EQ(copied[MemoryKind::weights].bytes, mapped[MemoryKind::weights].bytes);
}

// Of the plain architecture too, and from every kind of file.
TEST_F(ChangingFiles, EveryKindOfFileCanBeCopied) {
  for (const char* name : {"simple/three_layers.pth", "simple/one_input.pt"}) {
    const auto path = folder_ / fs::path(name).filename();
    fs::copy_file(kModels / name, path);
    fs::permissions(path, fs::perms::owner_write, fs::perm_options::add);
    const auto model = load({.model_path = path, .copy_weights = true});
    const auto text = model->generate("hello");
    fs::resize_file(path, 10);
    EXPECT_EQ(model->generate("hello"), text) << name;
  }
}

// The rule for those who map: replace files, do not write into them.
TEST_F(ChangingFiles, AReplacedFileIsStillTheOldOneForThoseWhoMappedIt) {
  const auto model = load({.model_path = folder_ / "model"});
  const auto expected = model->complete("A mapped file", greedy(12)).tokens;
  std::ofstream(folder_ / "new") << "something else";
  fs::rename(folder_ / "new", weights());
  EXPECT_EQ(model->complete("A mapped file", greedy(12)).tokens, expected);
}

TEST_F(ChangingFiles, ACheckpointTellsOfThem) {
  const auto mapped = Checkpoint::open(folder_ / "model");
  const auto copied = Checkpoint::open(folder_ / "model", CheckpointAccess::copy);
  EXPECT_EQ(mapped->access(), CheckpointAccess::map);
  EXPECT_EQ(copied->access(), CheckpointAccess::copy);
  EXPECT_NO_THROW(mapped->require_unchanged());
  std::this_thread::sleep_for(std::chrono::milliseconds(30));  // the clock of file systems ticks slowly
  overwrite();
  const auto error = error_of([&] { mapped->require_unchanged(); });
  EXPECT_EQ(error.kind(), ErrorKind::io);
  EXPECT_THAT(error.what(), HasSubstr(weights().string() + " was written to or cut after it was opened"));
  EXPECT_NO_THROW(copied->require_unchanged());
}

TEST_F(ChangingFiles, ACallOnAFileThatChangedIsAnError) {
  const auto mapped = load({.model_path = folder_ / "model"});
  const auto converted = load({.model_path = folder_ / "model", .dtype = DType::bfloat16});
  const auto expected = mapped->complete("A mapped file", greedy(4)).tokens;
  std::this_thread::sleep_for(std::chrono::milliseconds(30));  // the clock of file systems ticks slowly
  fs::resize_file(weights(), fs::file_size(weights()) / 2);
  for (const auto& error :
       {error_of([&] { mapped->generate("A mapped file"); }), error_of([&] { mapped->embed("A"); }),
        error_of([&] { mapped->logits("A"); }), error_of([&] { mapped->perplexity("A mapped"); })}) {
    EXPECT_EQ(error.kind(), ErrorKind::io);
    EXPECT_THAT(error.what(), HasSubstr("was written to or cut"));
  }
  EXPECT_NO_THROW(converted->complete("A mapped file", greedy(4))) << "whose weights are copies";
}

}  // namespace
}  // namespace dstorch
