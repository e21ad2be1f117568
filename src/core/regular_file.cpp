#include "core/regular_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "core/system_message.h"
#include "core/throw.h"

namespace dstorch {
namespace {

[[noreturn]] void fail_to_open(const std::filesystem::path& path, int error) {
  fail(error == ENOENT || error == ENOTDIR ? ErrorKind::not_found : ErrorKind::io, "cannot open {}: {}", path.string(),
       system_message(error));
}

void require_regular(const std::filesystem::path& path, mode_t mode) {
  require(S_ISREG(mode), ErrorKind::invalid_argument, "{} must be a regular file, it is {}", path.string(),
          kind_of_file(mode));
}

}  // namespace

RegularFile::RegularFile(const std::filesystem::path& path) {
  // Looked at before it is opened, because opening alone does something to some devices; and once more after, because
  // another file may have come under the name.
  if (::stat(path.c_str(), &info_) != 0) {
    fail_to_open(path, errno);
  }
  require_regular(path, info_.st_mode);
  fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd_ < 0 || ::fstat(fd_, &info_) != 0) {
    const int error = errno;
    if (fd_ >= 0) {
      ::close(fd_);
    }
    fail_to_open(path, error);
  }
  if (!S_ISREG(info_.st_mode)) {
    ::close(fd_);
    require_regular(path, info_.st_mode);
  }
}

RegularFile::RegularFile(RegularFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)), info_(other.info_) {}

RegularFile::~RegularFile() {
  if (fd_ >= 0) {
    ::close(fd_);
  }
}

bool RegularFile::changed() const noexcept {
  struct stat now {};
  return ::fstat(fd_, &now) != 0 || now.st_size != info_.st_size || now.st_mtim.tv_sec != info_.st_mtim.tv_sec ||
         now.st_mtim.tv_nsec != info_.st_mtim.tv_nsec;
}

std::string_view kind_of_file(mode_t mode) noexcept {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return "a regular file";
    case S_IFDIR:
      return "a directory";
    case S_IFIFO:
      return "a FIFO";
    case S_IFSOCK:
      return "a socket";
    case S_IFCHR:
    case S_IFBLK:
      return "a device";
    default:
      return "something else";
  }
}

}  // namespace dstorch
