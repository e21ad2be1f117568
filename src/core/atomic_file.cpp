#include "core/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "core/mapped_file.h"
#include "core/system_message.h"
#include "core/throw.h"

namespace dstorch {

AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)) {
  temporary_ = path_;
  temporary_ += ".tmp-XXXXXX";
  std::string name = temporary_.string();
  fd_ = ::mkostemp(name.data(), O_CLOEXEC);
  require(fd_ >= 0, ErrorKind::io, "cannot create a file beside {}: {}", path_.string(), system_message(errno));
  temporary_ = name;
  ::fchmod(fd_, 0644);
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) {
    ::close(fd_);
    ::unlink(temporary_.c_str());
  }
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
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    fail_write(errno);
  }
  ::close(fd_);
  fd_ = -1;
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

std::string read_file(const std::filesystem::path& path, std::size_t max_bytes) {
  const auto file = MappedFile::open(path);
  const auto bytes = file->bytes();
  require(bytes.size() <= max_bytes, ErrorKind::format, "{} must be at most {} bytes, it has {}", path.string(),
          max_bytes, bytes.size());
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace dstorch
