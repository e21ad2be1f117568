#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "core/atomic_file.h"
#include "core/mapped_file.h"
#include "core/throw.h"

namespace dstorch {
namespace {

class Files : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "dstorch-core-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::size_t files_in_folder() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder_), {}));
  }

  template <typename Action>
  static void expect_error(ErrorKind kind, const Action& action) {
    try {
      action();
      ADD_FAILURE() << "no error";
    } catch (const LMError& error) {
      EXPECT_EQ(to_string(error.kind()), to_string(kind)) << error.what();
    }
  }

  std::filesystem::path folder_;
};

TEST_F(Files, WriteThenRead) {
  const auto path = folder_ / "a.txt";
  const std::string text("zero \0 inside", 13);
  write_file(path, text);
  EXPECT_EQ(read_file(path), text);
  EXPECT_EQ(files_in_folder(), 1U);
  write_file(path, "");
  EXPECT_EQ(read_file(path), "");
}

TEST_F(Files, ReadHasALimit) {
  write_file(folder_ / "a.txt", "12345");
  EXPECT_EQ(read_file(folder_ / "a.txt", 5), "12345");
  expect_error(ErrorKind::format, [&] { read_file(folder_ / "a.txt", 4); });
}

TEST_F(Files, NothingAppearsBeforeCommit) {
  const auto path = folder_ / "a.txt";
  write_file(path, "old");
  {
    AtomicFile file(path);
    file.write("new and half");
    EXPECT_EQ(file.bytes_written(), 12U);
    EXPECT_EQ(read_file(path), "old");
  }
  EXPECT_EQ(read_file(path), "old");
  EXPECT_EQ(files_in_folder(), 1U);
  AtomicFile file(path);
  file.write("new");
  file.commit();
  EXPECT_EQ(read_file(path), "new");
  EXPECT_EQ(files_in_folder(), 1U);
}

TEST_F(Files, OthersMayReadWhatWasWritten) {
  write_file(folder_ / "a.txt", "x");
  const auto mode = std::filesystem::status(folder_ / "a.txt").permissions();
  EXPECT_NE(mode & std::filesystem::perms::others_read, std::filesystem::perms::none);
}

TEST_F(Files, FoldersThatCannotBeWritten) {
  expect_error(ErrorKind::io, [&] { AtomicFile(folder_ / "no" / "such" / "a.txt"); });
  // The name is taken by a folder: the error comes at the end and the temporary file goes.
  std::filesystem::create_directory(folder_ / "taken");
  expect_error(ErrorKind::io, [&] { write_file(folder_ / "taken", "x"); });
  EXPECT_EQ(files_in_folder(), 1U);
}

TEST_F(Files, AFullDisk) {
  const auto path = folder_ / "a.txt";
  write_file(path, "old");
  rlimit old{};
  ::getrlimit(RLIMIT_FSIZE, &old);
  auto* const old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1000, old.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  expect_error(ErrorKind::io, [&] { write_file(path, std::string(5000, 'x')); });
  ::setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_EQ(read_file(path), "old");
  EXPECT_EQ(files_in_folder(), 1U);
}

TEST_F(Files, MapsWhatIsThere) {
  const auto path = folder_ / "a.bin";
  write_file(path, "abc");
  const auto file = MappedFile::open(path);
  ASSERT_EQ(file->bytes().size(), 3U);
  EXPECT_EQ(file->bytes()[2], std::byte{'c'});
  EXPECT_EQ(file->path(), path);
  std::filesystem::remove(path);
  EXPECT_EQ(file->bytes()[0], std::byte{'a'});  // The mapping keeps the content.
}

TEST_F(Files, WritingThroughAMappingStaysPrivate) {
  const auto path = folder_ / "a.bin";
  write_file(path, "abc");
  const auto file = MappedFile::open(path);
  const_cast<std::byte&>(file->bytes()[0]) = std::byte{'X'};
  EXPECT_EQ(file->bytes()[0], std::byte{'X'});
  EXPECT_EQ(read_file(path), "abc");
}

TEST_F(Files, WhatCannotBeMapped) {
  expect_error(ErrorKind::not_found, [&] { MappedFile::open(folder_ / "none"); });
  expect_error(ErrorKind::not_found, [&] {
    write_file(folder_ / "a.txt", "x");
    MappedFile::open(folder_ / "a.txt" / "below");
  });
  expect_error(ErrorKind::invalid_argument, [&] { MappedFile::open(folder_); });
  expect_error(ErrorKind::invalid_argument, [&] { MappedFile::open("/dev/null"); });
  write_file(folder_ / "empty", "");
  EXPECT_TRUE(MappedFile::open(folder_ / "empty")->bytes().empty());
}

/// How many pages of `bytes` this process has in its own tables.
std::size_t resident_kilobytes(const std::byte* address) {
  std::ifstream maps("/proc/self/smaps");
  std::string line;
  bool inside = false;
  while (std::getline(maps, line)) {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2) {
      const auto at = reinterpret_cast<std::uintptr_t>(address);
      inside = begin <= at && at < end;
    } else if (inside && line.starts_with("Rss:")) {
      return std::stoul(line.substr(4));
    }
  }
  return 0;
}

TEST_F(Files, PagesAreGivenBackAndComeAgain) {
  constexpr std::size_t kBytes = std::size_t{4} << 20U;
  write_file(folder_ / "big", std::string(kBytes, 'z'));
  const auto file = MappedFile::open(folder_ / "big");
  MappedFile::will_need(file->bytes());
  std::size_t sum = 0;
  for (const auto byte : file->bytes()) {
    sum += static_cast<std::size_t>(byte);
  }
  EXPECT_EQ(sum, kBytes * 'z');
  EXPECT_GT(resident_kilobytes(file->bytes().data()), kBytes / 1024 / 2);
  // Only whole pages inside the range: a byte short of it on both ends leaves two pages, if the system left them.
  MappedFile::dont_need(file->bytes().subspan(1, kBytes - 2));
  EXPECT_LE(resident_kilobytes(file->bytes().data()), 2 * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) / 1024);
  EXPECT_EQ(file->bytes()[kBytes / 2], std::byte{'z'});
  MappedFile::dont_need({});
}

}  // namespace
}  // namespace dstorch
