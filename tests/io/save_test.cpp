#include <sys/resource.h>

#include <csignal>

#include "io/crc32.h"
#include "io/deferred_tensor.h"
#include "io/save_pytorch.h"
#include "io/test_files.h"
#include "io/zip_reader.h"

namespace dstorch {
namespace {

/// The same tensors, each by name with its dtype, shape and elements.
void expect_same(const Checkpoint& left, const std::vector<TensorView>& right) {
  ASSERT_EQ(left.tensors().size(), right.size());
  for (std::size_t i = 0; i < right.size(); ++i) {
    const auto& view = left.tensors()[i];
    SCOPED_TRACE(right[i].name);
    EXPECT_EQ(view.name, right[i].name);
    EXPECT_EQ(view.dtype, right[i].dtype);
    EXPECT_EQ(view.shape, right[i].shape);
    EXPECT_EQ(dense_bytes(view), dense_bytes(right[i]));
  }
}

std::vector<TensorView> without(const std::vector<TensorView>& tensors, DType dtype) {
  std::vector<TensorView> kept;
  for (const auto& tensor : tensors) {
    if (tensor.dtype != dtype) {
      kept.push_back(tensor);
    }
  }
  return kept;
}

TEST(Crc32, KnownValuesAndPieces) {
  EXPECT_EQ(crc32(as_byte_span("123456789")), 0xCBF43926U);  // The check value of every CRC catalogue.
  EXPECT_EQ(crc32({}), 0U);
  const std::string text = "The quick brown fox jumps over the lazy dog";
  EXPECT_EQ(crc32(as_byte_span(text)), 0x414FA339U);
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(crc32(as_byte_span(text).subspan(cut), crc32(as_byte_span(text).first(cut))), 0x414FA339U);
  }
}

class SaveRoundTrip : public testing::TestWithParam<const char*> {};

TEST_P(SaveRoundTrip, PyTorch) {
  const auto original = Checkpoint::open(io_data(GetParam()));
  const TemporaryFolder folder;
  for (const bool zip64 : {false, true}) {
    const auto path = folder.path() / "saved.pt";
    save_pytorch(path, original->tensors(), SavePyTorchOptions{.always_zip64 = zip64});
    const auto saved = Checkpoint::open(path);
    EXPECT_EQ(saved->kind(), CheckpointKind::pytorch_zip);
    expect_same(*saved, original->tensors());
    for (std::size_t i = 0; i < saved->tensors().size(); ++i) {
      EXPECT_EQ(saved->tensors()[i].strides, original->tensors()[i].strides);
    }
  }
}

TEST_P(SaveRoundTrip, Safetensors) {
  const auto original = Checkpoint::open(io_data(GetParam()));
  const auto tensors = without(original->tensors(), DType::complex128);
  const TemporaryFolder folder;
  const std::map<std::string, std::string> metadata{{"format", "pt"}, {"quote", "\"\\\n"}};
  save_safetensors(folder.path() / "saved.safetensors", tensors, metadata);
  const auto saved = Checkpoint::open(folder.path() / "saved.safetensors");
  EXPECT_EQ(saved->kind(), CheckpointKind::safetensors);
  EXPECT_EQ(saved->metadata(), metadata);
  expect_same(*saved, tensors);
  for (const auto& tensor : saved->tensors()) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.data()) % size_of(tensor.dtype), 0U) << tensor.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Files, SaveRoundTrip,
                         testing::Values("dtypes.pt", "dtypes.safetensors", "views.pt", "views_legacy.pt", "module.pt"),
                         [](const auto& file) {
                           std::string name = file.param;
                           name[name.find('.')] = '_';
                           return name;
                         });

TEST(SavePyTorch, SharedStoragesStayShared) {
  const auto original = Checkpoint::open(io_data("views.pt"));
  const TemporaryFolder folder;
  save_pytorch(folder.path() / "saved.pt", original->tensors());
  const auto saved = Checkpoint::open(folder.path() / "saved.pt");
  for (const auto* name : {"transposed", "row", "column", "steps"}) {
    EXPECT_EQ(saved->find(name)->storage.data(), saved->find("base")->storage.data()) << name;
  }
  EXPECT_NE(saved->find("scalar")->storage.data(), saved->find("base")->storage.data());
}

TEST(SavePyTorch, OneStorageOfSeveralTypes) {
  const std::array<float, 2> values{1.0F, -2.0F};
  TensorView floats{.name = "floats",
                    .dtype = DType::float32,
                    .shape = {2},
                    .strides = {1},
                    .storage_offset = 0,
                    .storage = std::as_bytes(std::span(values))};
  auto integers = floats;
  integers.name = "integers";
  integers.dtype = DType::int32;
  const TemporaryFolder folder;
  save_pytorch(folder.path() / "saved.pt", std::vector{floats, integers});
  const auto saved = Checkpoint::open(folder.path() / "saved.pt");
  expect_same(*saved, {floats, integers});
  EXPECT_EQ(saved->find("integers")->storage.data(), saved->find("floats")->storage.data());
}

TEST(SavePyTorch, ZipIsWhatPyTorchWrites) {
  const auto original = Checkpoint::open(io_data("dtypes.pt"));
  const TemporaryFolder folder;
  for (const bool zip64 : {false, true}) {
    const auto path = folder.path() / "saved.pt";
    save_pytorch(path, original->tensors(), SavePyTorchOptions{.always_zip64 = zip64});
    const auto bytes = slurp(path);
    const ZipReader zip(as_byte_span(bytes), "saved.pt");
    ASSERT_EQ(zip.entries().size(), original->tensors().size() + 3);
    for (const auto& entry : zip.entries()) {
      const auto data = zip.stored_bytes(entry);
      EXPECT_EQ((data.data() - as_byte_span(bytes).data()) % 64, 0) << entry.name;
      EXPECT_EQ(entry.crc32, crc32(data)) << entry.name;
    }
    const auto content = [&](const char* name) {
      const auto data = zip.stored_bytes(*zip.find(name));
      return std::string(reinterpret_cast<const char*>(data.data()), data.size());
    };
    EXPECT_EQ(content("archive/version"), "3\n");
    EXPECT_EQ(content("archive/byteorder"), "little");
    EXPECT_TRUE(content("archive/data.pkl").starts_with("\x80\x02"));
    EXPECT_EQ(bytes.find("PK\x06\x06") != std::string::npos, zip64);
  }
}

TEST(SaveSafetensors, NothingAtAll) {
  const TemporaryFolder folder;
  save_safetensors(folder.path() / "none.safetensors", {});
  EXPECT_TRUE(Checkpoint::open(folder.path() / "none.safetensors")->tensors().empty());
  save_pytorch(folder.path() / "none.pt", {});
  EXPECT_TRUE(Checkpoint::open(folder.path() / "none.pt")->tensors().empty());
}

TEST(SaveSafetensors, LargeStridedTensorGoesThroughASmallBuffer) {
  constexpr int64_t kRows = 700;
  constexpr int64_t kColumns = 900;
  std::vector<int32_t> values(kRows * kColumns);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<int32_t>(i * 2654435761U);
  }
  const TensorView view{.name = "t",
                        .dtype = DType::int32,
                        .shape = {kColumns, kRows},
                        .strides = {1, kColumns},
                        .storage_offset = 0,
                        .storage = std::as_bytes(std::span(values))};
  const TemporaryFolder folder;
  save_safetensors(folder.path() / "t.safetensors", std::vector{view});
  const auto saved = Checkpoint::open(folder.path() / "t.safetensors");
  EXPECT_TRUE(saved->tensors()[0].is_contiguous());
  EXPECT_EQ(dense_bytes(saved->tensors()[0]), dense_bytes(view));
}

/// `view`, to be handed over when it is asked for; `*loaded` counts how many are in memory.
DeferredTensor deferred(const TensorView& view, int* loaded) {
  return {view.name, view.dtype, view.shape, [view, loaded](const auto& write) {
            ++*loaded;
            EXPECT_EQ(*loaded, 1) << "one at a time";
            write(view);
            --*loaded;
          }};
}

TEST(SaveSafetensors, DeferredTensorsMakeTheSameFileOneAtATime) {
  const auto original = Checkpoint::open(io_data("dtypes.safetensors"));
  const TemporaryFolder folder;
  save_safetensors(folder.path() / "views", original->tensors(), original->metadata());
  int loaded = 0;
  std::vector<DeferredTensor> tensors;
  for (const auto& view : original->tensors()) {
    tensors.push_back(deferred(view, &loaded));
  }
  save_deferred_safetensors(folder.path() / "deferred", tensors, original->metadata());
  EXPECT_GT(tensors.size(), 3U);
  EXPECT_EQ(slurp(folder.path() / "deferred"), slurp(folder.path() / "views"));
}

class BadTensors : public testing::Test {
 protected:
  void expect_refused(ErrorKind kind, std::string_view part, const std::vector<TensorView>& tensors) const {
    expect_error(kind, part, [&] { save_safetensors(folder_.path() / "bad", tensors); });
    expect_error(kind, part, [&] { save_pytorch(folder_.path() / "bad", tensors); });
    EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
  }

  TemporaryFolder folder_;
  std::array<float, 4> values_{1, 2, 3, 4};
  TensorView good_{.name = "w",
                   .dtype = DType::float32,
                   .shape = {2, 2},
                   .strides = {2, 1},
                   .storage_offset = 0,
                   .storage = std::as_bytes(std::span(values_))};
};

TEST_F(BadTensors, AreRefusedAndLeaveNoFile) {
  expect_refused(ErrorKind::invalid_argument, "occurs twice", {good_, good_});
  auto outside = good_;
  outside.strides = {3, 1};
  expect_refused(ErrorKind::invalid_argument, "must lie in its storage", {outside});
  auto negative = good_;
  negative.shape = {-1, 2};
  expect_refused(ErrorKind::invalid_argument, "negative size", {negative});
  auto broken = good_;
  broken.name = "\xFF\xFE";
  expect_refused(ErrorKind::invalid_argument, "UTF-8", {broken});
}

TEST_F(BadTensors, DeferredOnesThatAreNotWhatWasAnnouncedLeaveNoFile) {
  const auto expect_refused = [&](ErrorKind kind, std::string_view part, const DeferredTensor& tensor) {
    expect_error(kind, part, [&] { save_deferred_safetensors(folder_.path() / "bad", std::vector{tensor}); });
    EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
  };
  int loaded = 0;
  auto other_shape = deferred(good_, &loaded);
  other_shape.shape = {4};
  expect_refused(ErrorKind::internal, "of the shape announced", other_shape);
  auto other_dtype = deferred(good_, &loaded);
  other_dtype.dtype = DType::int32;
  loaded = 0;
  expect_refused(ErrorKind::internal, "must be int32", other_dtype);
  auto none = deferred(good_, &loaded);
  none.read = [](const auto& /*write*/) {};
  expect_refused(ErrorKind::internal, "did not come", none);
  auto twice = deferred(good_, &loaded);
  twice.read = [this](const auto& write) {
    write(good_);
    write(good_);
  };
  expect_refused(ErrorKind::internal, "come once", twice);
}

TEST_F(BadTensors, WhatSafetensorsCannotHold) {
  auto reserved = good_;
  reserved.name = "__metadata__";
  expect_error(ErrorKind::invalid_argument, "__metadata__",
               [&] { save_safetensors(folder_.path() / "bad", std::vector{reserved}); });
  auto complex = good_;
  complex.dtype = DType::complex128;
  complex.shape = {1};
  complex.strides = {1};
  expect_error(ErrorKind::unsupported, "complex128",
               [&] { save_safetensors(folder_.path() / "bad", std::vector{complex}); });
}

/// A disk that is full after `bytes`, as far as one process can tell.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) : old_handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_limit_);
    const rlimit limit{bytes, old_limit_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &old_limit_);
    std::signal(SIGXFSZ, old_handler_);
  }

 private:
  rlimit old_limit_{};
  void (*old_handler_)(int);
};

TEST(Save, AFullDiskLeavesTheOldFileAndNothingElse) {
  const TemporaryFolder folder;
  std::vector<float> values(100'000, 1.5F);
  const TensorView view{.name = "w",
                        .dtype = DType::float32,
                        .shape = {100'000},
                        .strides = {1},
                        .storage_offset = 0,
                        .storage = std::as_bytes(std::span(values))};
  const auto path = folder.write("model", "the old file");
  {
    const FullDisk full(100'000);
    expect_error(ErrorKind::io, "cannot write", [&] { save_safetensors(path, std::vector{view}); });
    expect_error(ErrorKind::io, "cannot write", [&] { save_pytorch(path, std::vector{view}); });
  }
  EXPECT_EQ(slurp(path), "the old file");
  const auto files = std::distance(std::filesystem::directory_iterator(folder.path()), {});
  EXPECT_EQ(files, 1);
}

}  // namespace
}  // namespace dstorch
