#include "core/atomic_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <random>

#include "core/regular_file.h"
#include "core/system_message.h"
#include "core/throw.h"

namespace dstorch {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kInfix = ".tmp-";
constexpr std::size_t kDigits = 16;

/// The file that writing to `path` replaces or makes. Throws when it is there and no regular file.
fs::path target_of(const fs::path& path) {
  constexpr int kMostLinks = 40;
  require(path.has_filename(), ErrorKind::invalid_argument, "\"{}\" must name a file", path.string());
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0) {
    require(S_ISREG(info.st_mode), ErrorKind::invalid_argument,
            "{} is {}, which is not replaced: give the name of a file", path.string(), kind_of_file(info.st_mode));
    return fs::is_symlink(path) ? fs::canonical(path) : path;
  }
  require(errno == ENOENT, ErrorKind::io, "cannot write {}: {}", path.string(), system_message(errno));
  // A link to nothing yet: the file comes into being where it points.
  auto target = path;
  std::error_code ignored;
  for (int links = 0; links < kMostLinks && fs::is_symlink(target, ignored); ++links) {
    target = target.parent_path() / fs::read_symlink(target, ignored);
  }
  return target;
}

std::string random_digits() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}", random() & 0xFFFFFFFFU, random() & 0xFFFFFFFFU);
}

bool is_temporary_of(const fs::path& target, const std::string& name) {
  const auto prefix = target.filename().string() + std::string(kInfix);
  return name.size() == prefix.size() + kDigits && name.starts_with(prefix) &&
         name.find_first_not_of("0123456789abcdef", prefix.size()) == std::string::npos;
}

/// A process that writes one holds a lock on it, which goes with the process.
void remove_abandoned(const fs::path& file) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
  if (fd < 0) {
    return;
  }
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) {
    ::unlink(file.c_str());
  }
  ::close(fd);
}

void remove_all_abandoned(const fs::path& target) {
  std::error_code ignored;
  const auto folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
  for (fs::directory_iterator it(folder, ignored), end; !ignored && it != end; it.increment(ignored)) {
    std::error_code unknown;
    if (is_temporary_of(target, it->path().filename().string()) &&
        it->symlink_status(unknown).type() == fs::file_type::regular) {
      remove_abandoned(it->path());
    }
  }
}

}  // namespace

AtomicFile::AtomicFile(fs::path path) : path_(std::move(path)), target_(target_of(path_)) {
  remove_all_abandoned(target_);
  create_temporary();
  take_permissions();
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) {
    ::close(fd_);
    ::unlink(temporary_.c_str());
  }
}

void AtomicFile::create_temporary() {
  while (fd_ < 0) {
    temporary_ = target_;
    temporary_ += std::string(kInfix) + random_digits();
    constexpr mode_t kLeftToTheUmask = 0666;
    fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kLeftToTheUmask);
    require(fd_ >= 0, ErrorKind::io, "cannot create a file beside {}: {}", path_.string(), system_message(errno));
    // Before it was locked another process may have taken it for abandoned.
    struct stat info {};
    ::flock(fd_, LOCK_EX | LOCK_NB);
    if (::fstat(fd_, &info) == 0 && info.st_nlink == 0) {
      ::close(fd_);
      fd_ = -1;
    }
  }
}

/// Of the file that will be replaced, if there is one; its owner too, where the system lets us.
void AtomicFile::take_permissions() const {
  struct stat old {};
  if (::stat(target_.c_str(), &old) != 0) {
    return;
  }
  // Of somebody else's file in a folder where we may write, the new one is ours.
  [[maybe_unused]] const int owner_kept = ::fchown(fd_, old.st_uid, old.st_gid);
  constexpr mode_t kPermissions = 0777;
  ::fchmod(fd_, old.st_mode & kPermissions);
}

void AtomicFile::fail_write(int error) const {
  fail(ErrorKind::io, "cannot write {}: {} after {} bytes; nothing was left under that name", path_.string(),
       system_message(error), written_);
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto count = ::write(fd_, bytes.data(), bytes.size());
    if (count < 0) {
      if (errno == EINTR) {
        continue;
      }
      fail_write(errno);
    }
    written_ += static_cast<std::size_t>(count);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

void AtomicFile::write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }

void AtomicFile::commit() {
  if (::fsync(fd_) != 0 && errno != EINVAL) {
    fail_write(errno);
  }
  target_of(target_);  // Something else may have come under the name meanwhile.
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) {
    fail_write(errno);
  }
  ::close(fd_);
  fd_ = -1;
}

void prepare_to_replace(const fs::path& path) { remove_all_abandoned(target_of(path)); }

void write_file(const fs::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

std::string read_file(const fs::path& path, std::size_t max_bytes) {
  const RegularFile file(path);
  std::string text;
  while (true) {
    constexpr std::size_t kLeast = 4096;
    const auto done = text.size();
    require(done <= max_bytes && file.size() <= max_bytes, ErrorKind::format, "{} must be at most {} bytes, it has {}",
            path.string(), max_bytes, std::max(done, file.size()));
    // One byte more than there should be: a file may grow, and some (in /proc) say that they are empty.
    text.resize(std::max(done + kLeast, file.size() + 1));
    const auto count = ::read(file.descriptor(), text.data() + done, text.size() - done);
    const int error = count < 0 ? errno : 0;
    text.resize(done + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    require(count >= 0 || error == EINTR, ErrorKind::io, "cannot read {}: {}", path.string(), system_message(error));
    if (count == 0) {
      return text;
    }
  }
}

}  // namespace dstorch
