// What a path may be, shards, and what opening costs.
#include <fmt/format.h>
#include <sys/stat.h>

#include <chrono>

#include "io/pickle_builder.h"
#include "io/save_pytorch.h"
#include "support/resident.h"

namespace dstorch {
namespace {

TEST(Open, WhatIsNoCheckpoint) {
  const TemporaryFolder folder;
  const auto expect_bad = [&](std::string_view content, std::string_view part, ErrorKind kind = ErrorKind::format) {
    const auto path = folder.write("file", content);
    expect_error(kind, part, [&] { Checkpoint::open(path); });
  };
  expect_bad("", "is empty");
  expect_bad("x", "first bytes");
  expect_bad("Hello, this is no model at all.", "first bytes");
  expect_bad("version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull");
  expect_bad(std::string("GGUF\3\0\0\0", 8), "GGUF", ErrorKind::unsupported);
  expect_bad("PK\x05\x06", "no directory");
  expect_bad("\x80\x04N.", "magic number");
  expect_error(ErrorKind::not_found, "none.pt", [&] { Checkpoint::open(folder.path() / "none.pt"); });
  std::filesystem::create_directory(folder.path() / "empty");
  expect_error(ErrorKind::not_found, "model.safetensors", [&] { Checkpoint::open(folder.path() / "empty"); });
}

TEST(Open, TheContentDecidesNotTheName) {
  const TemporaryFolder folder;
  const auto path = folder.write("model.safetensors", slurp(io_data("module.pt")));
  EXPECT_EQ(Checkpoint::open(path)->kind(), CheckpointKind::pytorch_zip);
  EXPECT_EQ(Checkpoint::open(folder.path())->kind(), CheckpointKind::pytorch_zip);
}

TEST(Open, FolderPrefersSafetensors) {
  const TemporaryFolder folder;
  folder.write("pytorch_model.bin", slurp(io_data("module_legacy.pt")));
  EXPECT_EQ(Checkpoint::open(folder.path())->kind(), CheckpointKind::pytorch_legacy);
  folder.write("model.safetensors", slurp(io_data("dtypes.safetensors")));
  EXPECT_EQ(Checkpoint::open(folder.path())->kind(), CheckpointKind::safetensors);
}

TEST(Open, AHeaderLengthThatLooksLikeText) {
  // 123 is '{': the first byte of a safetensors file may be the one that JSON begins with.
  std::string header = R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
  header.resize(123, ' ');
  const TemporaryFolder folder;
  const auto path = folder.write("model.safetensors", le(uint64_t{123}) + header + "x");
  EXPECT_EQ(Checkpoint::open(path)->kind(), CheckpointKind::safetensors);
}

class ShardIndexes : public testing::Test {
 protected:
  void SetUp() override {
    for (const auto* name : {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}) {
      folder_.write(name, slurp(io_data(std::string("shards_safetensors/") + name)));
    }
  }

  void expect_refused(const std::string& json, std::string_view part, ErrorKind kind = ErrorKind::format) const {
    const auto path = folder_.write("model.safetensors.index.json", json);
    expect_error(kind, part, [&] { Checkpoint::open(path); });
    expect_error(kind, part, [&] { Checkpoint::open(folder_.path()); });
  }

  TemporaryFolder folder_;
};

TEST_F(ShardIndexes, MayNotLeaveTheFolder) {
  for (const auto* name :
       {"../../etc/passwd", "/etc/passwd", "..", ".", "", "a/../../b", "a//b", "a/", "sub\\\\b", "x\\u0000y"}) {
    expect_refused(fmt::format(R"({{"weight_map":{{"layers.0.weight":"{}"}}}})", name),
                   "file below the index's folder");
  }
}

// As transformers reads an index: it says which files there are, and every tensor of those files is taken.
TEST_F(ShardIndexes, WhatTheFilesHoldCounts) {
  const std::string one = "model-00001-of-00002.safetensors";
  const std::string two = "model-00002-of-00002.safetensors";
  const auto names_of = [&](const std::string& map) {
    const auto checkpoint = Checkpoint::open(folder_.write("x.index.json", R"({"weight_map":)" + map + "}"));
    std::vector<std::string> names;
    for (const auto& view : checkpoint->tensors()) {
      names.push_back(view.name);
    }
    return names;
  };
  const std::vector<std::string> first{"layers.0.weight", "layers.1.weight"};
  const std::vector<std::string> swapped{"layers.2.weight", "layers.0.weight", "layers.1.weight", "layers.3.weight"};
  EXPECT_EQ(names_of(fmt::format(R"({{"layers.2.weight":"{}","layers.0.weight":"{}"}})", one, two)), swapped);
  EXPECT_EQ(names_of(fmt::format(R"({{"none":"{}"}})", one)), first);
  std::filesystem::create_directories(folder_.path() / "sub/deep");
  std::filesystem::rename(folder_.path() / two, folder_.path() / "sub/deep/b.safetensors");
  EXPECT_EQ(names_of(fmt::format(R"({{"layers.0.weight":"{}","layers.2.weight":"sub/deep/b.safetensors"}})", one)),
            (std::vector<std::string>{"layers.0.weight", "layers.2.weight", "layers.1.weight", "layers.3.weight"}));
}

TEST_F(ShardIndexes, MustBeRight) {
  const std::string one = "model-00001-of-00002.safetensors";
  const std::string two = "model-00002-of-00002.safetensors";
  expect_refused("{}", "must have a \"weight_map\"");
  expect_refused(R"({"weight_map":{}})", "must not be empty");
  expect_refused(R"({"weight_map":[]})", "must map names");
  expect_refused(R"({"weight_map":{"a":1}})", "must map names");
  expect_refused(R"({"weight_map":{"a":["b"]}})", "must map names");
  expect_refused(R"({"weight_map":)", "valid JSON");
  expect_refused(
      fmt::format(R"({{"weight_map":{{"layers.0.weight":"{0}"}},"weight_map":{{"layers.1.weight":"{0}"}}}})", one),
      "must have one \"weight_map\"");
  expect_refused(R"({"weight_map":{"a":"none.safetensors"}})", "none.safetensors", ErrorKind::not_found);
  expect_refused(fmt::format(R"({{"weight_map":{{"layers.0.weight":"{0}","layers.0.weight":"{0}"}}}})", one),
                 "occurs twice");
  expect_refused(R"({"weight_map":{"a":"model.safetensors.index.json"}})", "must not be an index");
  folder_.write("copy.safetensors", slurp(folder_.path() / one));
  expect_refused(
      fmt::format(R"({{"weight_map":{{"layers.0.weight":"{}","layers.1.weight":"copy.safetensors"}}}})", one),
      "must be in one shard");
  folder_.write("other.bin", slurp(io_data("module.pt")));
  expect_refused(fmt::format(R"({{"weight_map":{{"layers.0.weight":"{}","0.weight":"other.bin"}}}})", one),
                 "of one kind");
  folder_.write("script.pt", slurp(io_data("torchscript.pt")));
  expect_refused(R"({"weight_map":{"a":"script.pt"}})", "of one kind");
}

TEST_F(ShardIndexes, KeepWhatEachFileSaysOfItself) {
  const auto shard = [&](const char* name, const char* tensor, const std::map<std::string, std::string>& metadata) {
    const auto source = Checkpoint::open(io_data("dtypes.safetensors"));
    auto view = *source->find("float32");
    view.name = tensor;
    save_safetensors(folder_.path() / name, std::vector{view}, metadata);
  };
  shard("a.safetensors", "a", {{"format", "pt"}, {"first", "1"}});
  shard("b.safetensors", "b", {{"format", "pt"}, {"second", "2"}});
  const auto path = folder_.write("y.index.json", R"({"weight_map":{"a":"a.safetensors","b":"b.safetensors"}})");
  EXPECT_EQ(Checkpoint::open(path)->metadata(),
            (std::map<std::string, std::string>{{"first", "1"}, {"format", "pt"}, {"second", "2"}}));
}

/// A file of `size` bytes that takes no disk: `head` at its start, `tail` at its end, zeros between.
std::filesystem::path sparse_file(const std::filesystem::path& path, const std::string& head, const std::string& tail,
                                  std::size_t size) {
  std::ofstream file(path, std::ios::binary);
  file << head;
  file.seekp(static_cast<std::streamoff>(size - tail.size()));
  file << tail;
  return path;
}

void expect_cheap(const std::filesystem::path& path, std::size_t tensors) {
  const auto before = test::resident_bytes();
  const auto start = std::chrono::steady_clock::now();
  const auto checkpoint = Checkpoint::open(path);
  const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const auto after = test::resident_bytes();
  EXPECT_EQ(checkpoint->tensors().size(), tensors);
  EXPECT_LT(seconds, 1.0);
  EXPECT_LT(after - before, int64_t{20} << 20);
}

constexpr std::size_t kTensors = 2000;
constexpr std::size_t kTensorBytes = std::size_t{1} << 20U;

TEST(OpenCost, TwoGigabytesOfSafetensors) {
  std::string header = "{";
  for (std::size_t i = 0; i < kTensors; ++i) {
    header += fmt::format(R"({}"layer.{}.weight":{{"dtype":"F32","shape":[512,512],"data_offsets":[{},{}]}})",
                          i == 0 ? "" : ",", i, i * kTensorBytes, (i + 1) * kTensorBytes);
  }
  header += "}";
  const TemporaryFolder folder;
  const auto path = sparse_file(folder.path() / "big.safetensors", le(static_cast<uint64_t>(header.size())) + header,
                                "end!", 8 + header.size() + kTensors * kTensorBytes);
  expect_cheap(path, kTensors);
  const auto checkpoint = Checkpoint::open(path);
  const auto& last = checkpoint->tensors().back();
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(last.storage.data()) + kTensorBytes - 4, 4), "end!");
}

/// A zip64 of 6 GB: 2000 storages of 3 MB, their headers between zeros that are not on the disk.
TEST(OpenCost, SixGigabytesOfPyTorchZip) {
  constexpr std::size_t kStorageBytes = 3 * kTensorBytes;
  const TemporaryFolder folder;
  const auto path = folder.path() / "big.pt";
  std::ofstream file(path, std::ios::binary);
  std::string directory;
  const auto add = [&](const std::string& name, const std::string& data, std::size_t size) {
    const auto at = static_cast<uint64_t>(file.tellp());
    const auto common = le(uint16_t{0}) + le(uint16_t{0}) + le(uint32_t{0}) + le(uint32_t{0}) +
                        le(static_cast<uint32_t>(size)) + le(static_cast<uint32_t>(size)) +
                        le(static_cast<uint16_t>(name.size()));
    file << le(kZipLocalSignature) << le(uint16_t{45}) << common << le(uint16_t{0}) << name << data;
    file.seekp(static_cast<std::streamoff>(size - data.size()), std::ios::cur);
    directory += le(kZipDirectorySignature) + le(uint16_t{45}) + le(uint16_t{45}) + common + le(uint16_t{12}) +
                 std::string(10, '\0') + le(kZipSeeZip64) + name + le(kZip64ExtraId) + le(uint16_t{8}) + le(at);
  };
  std::string pickle = "\x80\x02}(";
  for (std::size_t i = 0; i < kTensors; ++i) {
    const auto storage = pickled::storage("FloatStorage", kStorageBytes / sizeof(float), std::to_string(i));
    pickle += pickled::text(fmt::format("layer.{}.weight", i)) + pickled::tensor(storage, 0, {512, 512}, {512, 1});
  }
  pickle += "u.";
  add("archive/data.pkl", pickle, pickle.size());
  for (std::size_t i = 0; i < kTensors; ++i) {
    add(fmt::format("archive/data/{}", i), "first", kStorageBytes);
  }
  const auto at = static_cast<uint64_t>(file.tellp());
  const uint64_t count = kTensors + 1;
  file << directory << le(kZip64EndSignature) << le(uint64_t{44}) << le(uint32_t{0}) << le(uint64_t{0}) << le(count)
       << le(count) << le(static_cast<uint64_t>(directory.size())) << le(at) << le(kZip64LocatorSignature)
       << le(uint32_t{0}) << le(at + directory.size()) << le(uint32_t{1}) << le(kZipEndSignature)
       << std::string(16, '\xFF') << le(uint16_t{0});
  file.close();
  ASSERT_GT(std::filesystem::file_size(path), uint64_t{6'000'000'000});
  expect_cheap(path, kTensors);
  const auto checkpoint = Checkpoint::open(path);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(checkpoint->tensors().back().storage.data()), 5), "first");
}

TEST(Open, ViewsOutliveTheFilesName) {
  const TemporaryFolder folder;
  const auto path = folder.write("model.pt", slurp(io_data("module.pt")));
  const auto checkpoint = Checkpoint::open(path);
  std::filesystem::remove(path);
  EXPECT_EQ(dense_bytes(*checkpoint->find("0.bias")),
            dense_bytes(*Checkpoint::open(io_data("module.pt"))->find("0.bias")));
}

}  // namespace
}  // namespace dstorch
