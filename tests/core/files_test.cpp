#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "core/atomic_file.h"
#include "core/mapped_file.h"
#include "core/regular_file.h"
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
  expect_error(ErrorKind::io, [&] {
    write_file(folder_ / "file", "x");
    AtomicFile(folder_ / "file" / "a.txt");
  });
  expect_error(ErrorKind::invalid_argument, [&] { AtomicFile(folder_ / "no name" / ""); });
}

TEST_F(Files, OnlyRegularFilesAreReplaced) {
  std::filesystem::create_directory(folder_ / "a folder");
  ASSERT_EQ(::mkfifo((folder_ / "a FIFO").c_str(), 0600), 0);
  ASSERT_EQ(::symlink("/dev/null", (folder_ / "a link to a device").c_str()), 0);
  std::filesystem::create_symlink("a folder", folder_ / "a link to a folder");
  const std::map<std::string, std::string> kinds{{"a folder", "a directory"},
                                                 {"a FIFO", "a FIFO"},
                                                 {"a link to a device", "a device"},
                                                 {"a link to a folder", "a directory"}};
  for (const auto& [name, kind] : kinds) {
    const auto before = std::filesystem::symlink_status(folder_ / name).type();
    try {
      AtomicFile file(folder_ / name);
      ADD_FAILURE() << name << " can be replaced";
    } catch (const LMError& error) {
      EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
      EXPECT_NE(std::string(error.what()).find(name + " is " + kind), std::string::npos) << error.what();
    }
    expect_error(ErrorKind::invalid_argument, [&] { prepare_to_replace(folder_ / name); });
    EXPECT_EQ(std::filesystem::symlink_status(folder_ / name).type(), before) << name;
  }
  EXPECT_EQ(files_in_folder(), kinds.size());
}

TEST_F(Files, WhatTookTheNameMeanwhileIsKept) {
  AtomicFile file(folder_ / "a");
  file.write("x");
  ASSERT_EQ(::mkfifo((folder_ / "a").c_str(), 0600), 0);
  expect_error(ErrorKind::invalid_argument, [&] { file.commit(); });
  EXPECT_TRUE(std::filesystem::is_fifo(folder_ / "a"));
}

TEST_F(Files, OfALinkTheTargetIsReplaced) {
  std::filesystem::create_directories(folder_ / "here");
  std::filesystem::create_directories(folder_ / "there");
  write_file(folder_ / "there/file", "old");
  std::filesystem::create_symlink("../there/file", folder_ / "here/link");
  std::filesystem::create_symlink("link", folder_ / "here/link to the link");
  write_file(folder_ / "here/link to the link", "new");
  EXPECT_EQ(read_file(folder_ / "there/file"), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder_ / "here/link to the link"));
  EXPECT_TRUE(std::filesystem::is_symlink(folder_ / "here/link"));
  // And where the target is not yet there, it comes into being.
  std::filesystem::create_symlink("../there/later", folder_ / "here/dangling");
  write_file(folder_ / "here/dangling", "made");
  EXPECT_EQ(read_file(folder_ / "there/later"), "made");
  EXPECT_TRUE(std::filesystem::is_symlink(folder_ / "here/dangling"));
  // A link to itself leads nowhere.
  std::filesystem::create_symlink("circle", folder_ / "circle");
  expect_error(ErrorKind::io, [&] { AtomicFile(folder_ / "circle"); });
}

mode_t mode_of(const std::filesystem::path& path) {
  struct stat info {};
  EXPECT_EQ(::stat(path.c_str(), &info), 0);
  return info.st_mode & 07777U;
}

TEST_F(Files, TheUmaskDecidesWhoMayRead) {
  for (const mode_t mask : {0022U, 0077U, 0027U, 0002U}) {
    const auto before = ::umask(mask);
    const auto name = folder_ / std::to_string(mask);
    write_file(name, "x");
    ::umask(before);
    EXPECT_EQ(mode_of(name), 0666U & ~mask);
  }
}

TEST_F(Files, AReplacedFileKeepsItsPermissions) {
  write_file(folder_ / "a", "old");
  for (const mode_t mode : {0600U, 0664U}) {
    ASSERT_EQ(::chmod((folder_ / "a").c_str(), mode), 0);
    write_file(folder_ / "a", "new");
    EXPECT_EQ(mode_of(folder_ / "a"), mode);
  }
  if (::geteuid() == 0) {
    constexpr uid_t kSomebody = 4711;
    ASSERT_EQ(::chown((folder_ / "a").c_str(), kSomebody, kSomebody), 0);
    write_file(folder_ / "a", "newer");
    struct stat info {};
    ASSERT_EQ(::stat((folder_ / "a").c_str(), &info), 0);
    EXPECT_EQ(info.st_uid, kSomebody);
    EXPECT_EQ(info.st_gid, kSomebody);
  }
}

/// Runs `work` in a child of this process that then dies as if killed.
template <typename Work>
void in_a_killed_process(const Work& work) {
  const auto child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    work();
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
}

TEST_F(Files, WhatAKilledProcessLeftGoesWithTheNextWriting) {
  const auto leave_some = [&](const std::filesystem::path& path) {
    in_a_killed_process([&] {
      AtomicFile file(path);
      file.write("half");
      ::kill(::getpid(), SIGKILL);
    });
  };
  std::filesystem::create_directory(folder_ / "sub");
  std::filesystem::create_symlink("sub/a", folder_ / "link");
  leave_some(folder_ / "sub/a");
  ASSERT_FALSE(std::filesystem::is_empty(folder_ / "sub")) << "there is nothing to remove";
  write_file(folder_ / "link", "x");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_ / "sub"), {}), 1) << "only the file is left";

  leave_some(folder_ / "b");
  // What belongs to other names, or was not made by us, stays.
  const std::vector<std::string> others{"b.tmp-abc123",           "b.tmp-0123456789abcdeg",  "b.tmp-0123456789abcdef0",
                                        "c.tmp-0123456789abcdef", "xb.tmp-0123456789abcdef", "b"};
  for (const auto& name : others) {
    std::ofstream(folder_ / name) << "mine";
  }
  std::filesystem::create_directory(folder_ / "b.tmp-00000000000000aa");
  std::filesystem::create_symlink("b", folder_ / "b.tmp-00000000000000bb");
  prepare_to_replace(folder_ / "b");
  EXPECT_EQ(files_in_folder(), others.size() + 4) << "theirs, sub, the link and two oddities";
  EXPECT_EQ(read_file(folder_ / "b"), "mine");
  for (const auto& name : others) {
    EXPECT_TRUE(std::filesystem::exists(folder_ / name)) << name;
  }
}

TEST_F(Files, WhatIsBeingWrittenIsNotTakenForLeftOver) {
  AtomicFile first(folder_ / "a");
  first.write("first");
  write_file(folder_ / "a", "second");
  const auto child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {  // another process, as it were
    write_file(folder_ / "a", "third");
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(read_file(folder_ / "a"), "third");
  first.commit();
  EXPECT_EQ(read_file(folder_ / "a"), "first");
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
  for (const auto hold : {MappedFile::Hold::map, MappedFile::Hold::watch, MappedFile::Hold::copy}) {
    EXPECT_TRUE(MappedFile::open(folder_ / "empty", hold)->bytes().empty());
  }
}

TEST_F(Files, NothingWaitsForAFifo) {
  ASSERT_EQ(::mkfifo((folder_ / "fifo").c_str(), 0600), 0);
  ::alarm(20);  // ends this program where something waits
  expect_error(ErrorKind::invalid_argument, [&] { MappedFile::open(folder_ / "fifo"); });
  expect_error(ErrorKind::invalid_argument, [&] { read_file(folder_ / "fifo"); });
  expect_error(ErrorKind::invalid_argument, [&] { RegularFile{folder_ / "fifo"}; });
  expect_error(ErrorKind::invalid_argument, [&] { write_file(folder_ / "fifo", "x"); });
  ::alarm(0);
}

// Opening alone releases who waits for a reader of a FIFO, and does something to some devices.
TEST_F(Files, WhatIsNoFileIsNotEvenOpened) {
  const auto fifo = folder_ / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  const int events = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  ASSERT_GE(events, 0);
  ASSERT_GE(::inotify_add_watch(events, fifo.c_str(), IN_OPEN), 0);
  expect_error(ErrorKind::invalid_argument, [&] { RegularFile{fifo}; });
  char event[4096];
  EXPECT_EQ(::read(events, event, sizeof event), -1) << "it was opened";
  ::close(::open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  EXPECT_GT(::read(events, event, sizeof event), 0) << "this would have been noticed";
  ::close(events);
}

TEST_F(Files, ReadsWhatSaysThatItIsEmpty) {
  EXPECT_NE(read_file("/proc/self/status").find("VmRSS"), std::string::npos);
}

void write_in_place(const std::filesystem::path& path, const std::string& text) {
  std::fstream(path, std::ios::in | std::ios::out | std::ios::binary) << text;
}

/// So that times of writing differ: they come from a clock that ticks every few milliseconds.
void wait_for_the_clock() { std::this_thread::sleep_for(std::chrono::milliseconds(30)); }

TEST_F(Files, AWatchedFileTellsThatItChanged) {
  const auto path = folder_ / "a.bin";
  const auto open = [&] {
    write_file(path, "abcdef");
    wait_for_the_clock();
    return MappedFile::open(path, MappedFile::Hold::watch);
  };
  auto file = open();
  EXPECT_FALSE(file->changed());
  write_in_place(path, "X");
  EXPECT_TRUE(file->changed()) << "of the same size";

  file = open();
  const auto written = std::filesystem::last_write_time(path);
  std::filesystem::resize_file(path, 3);
  EXPECT_TRUE(file->changed());
  std::filesystem::last_write_time(path, written);
  EXPECT_TRUE(file->changed()) << "though it claims to be as old as before";

  // A file that is replaced or deleted is still there for those who mapped it.
  file = open();
  write_file(path, "another");
  EXPECT_FALSE(file->changed());
  std::filesystem::remove(path);
  EXPECT_FALSE(file->changed());
  EXPECT_EQ(file->bytes()[0], std::byte{'a'});

  // Those that are not watched do not tell.
  write_file(path, "abc");
  const auto mapped = MappedFile::open(path);
  std::filesystem::resize_file(path, 0);
  EXPECT_FALSE(mapped->changed());
}

TEST_F(Files, ACopyIsSafeFromWhatHappensToTheFile) {
  constexpr std::size_t kBytes = (std::size_t{1} << 20U) + 5;
  const auto path = folder_ / "a.bin";
  write_file(path, std::string(kBytes, 'z'));
  const auto file = MappedFile::open(path, MappedFile::Hold::copy);
  ASSERT_EQ(file->bytes().size(), kBytes);
  write_in_place(path, "X");
  std::filesystem::resize_file(path, 0);
  EXPECT_FALSE(file->changed());
  // Also what the system took back meanwhile.
  MappedFile::dont_need(file->bytes());
  EXPECT_TRUE(std::all_of(file->bytes().begin(), file->bytes().end(), [](std::byte b) { return b == std::byte{'z'}; }));
  const_cast<std::byte&>(file->bytes()[0]) = std::byte{'X'};  // private, like a mapping
  EXPECT_EQ(file->bytes()[0], std::byte{'X'});
}

TEST_F(Files, ACopyOfAChangingFileIsRefused) {
  // Another thread changes the file all the time, its size or what is in it: some of the copies must find it changed.
  const auto path = folder_ / "a.bin";
  for (const bool resizes : {true, false}) {
    write_file(path, std::string(std::size_t{8} << 20U, 'z'));
    std::atomic<bool> stop{false};
    std::thread writer([&] {
      for (std::size_t bytes = 1; !stop; ++bytes) {
        if (resizes) {
          std::filesystem::resize_file(path, (std::size_t{4} << 20U) + bytes % 1000);
        } else {
          write_in_place(path, std::to_string(bytes));
        }
      }
    });
    int refused = 0;
    for (int i = 0; i < 1000 && refused == 0; ++i) {
      try {
        MappedFile::open(path, MappedFile::Hold::copy);
      } catch (const LMError& error) {
        EXPECT_EQ(error.kind(), ErrorKind::io);
        EXPECT_NE(std::string(error.what()).find("changed while it was read"), std::string::npos) << error.what();
        ++refused;
      }
    }
    stop = true;
    writer.join();
    EXPECT_GT(refused, 0) << (resizes ? "resized" : "written to");
  }
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
