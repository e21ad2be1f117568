#include "train/run_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "core/system_message.h"
#include "core/throw.h"

namespace dstorch::training {

// On the directory itself, so that no file is left over.
RunLock::RunLock(const std::filesystem::path& directory)
    : fd_(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  require(fd_ >= 0, ErrorKind::io, "cannot open the directory {}: {}", directory.string(), system_message(errno));
  if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    ::close(fd_);
    require(error != EWOULDBLOCK, ErrorKind::invalid_argument,
            "another run is training into {}: wait for it, or choose another directory", directory.string());
    fail(ErrorKind::io, "cannot lock the directory {}: {}", directory.string(), system_message(error));
  }
}

RunLock::~RunLock() { ::close(fd_); }

}  // namespace dstorch::training
