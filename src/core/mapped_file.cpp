#include "core/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "core/system_message.h"
#include "core/throw.h"

namespace dstorch {
namespace {

void advise(std::span<const std::byte> range, int advice) noexcept {
  if (range.empty()) {
    return;
  }
  const auto page = static_cast<std::ptrdiff_t>(::sysconf(_SC_PAGESIZE));
  const auto into_page = [page](const std::byte* address) {
    return static_cast<std::ptrdiff_t>(reinterpret_cast<std::uintptr_t>(address)) % page;
  };
  // Whole pages only: outward for reading ahead, inward for giving back.
  const std::byte* first = range.data();
  const std::byte* last = first + range.size();
  if (advice == MADV_WILLNEED) {
    first -= into_page(first);
  } else {
    first += (page - into_page(first)) % page;
    last -= into_page(last);
  }
  if (last > first) {
    ::madvise(const_cast<std::byte*>(first), static_cast<std::size_t>(last - first), advice);
  }
}

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    const int error = errno;
    fail(error == ENOENT || error == ENOTDIR ? ErrorKind::not_found : ErrorKind::io, "cannot open {}: {}",
         path.string(), system_message(error));
  }
  struct stat info {};
  if (::fstat(fd, &info) != 0) {
    const int error = errno;
    ::close(fd);
    fail(ErrorKind::io, "cannot stat {}: {}", path.string(), system_message(error));
  }
  if (!S_ISREG(info.st_mode)) {
    ::close(fd);
    fail(ErrorKind::invalid_argument, "{} must be a regular file", path.string());
  }
  const auto size = static_cast<std::size_t>(info.st_size);
  void* data = nullptr;
  if (size != 0) {
    data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
  }
  const int error = errno;
  ::close(fd);
  require(data != MAP_FAILED, ErrorKind::io, "cannot map {} ({} bytes): {}", path.string(), size,
          system_message(error));
  return std::shared_ptr<const MappedFile>(new MappedFile(path, static_cast<const std::byte*>(data), size));
}

MappedFile::MappedFile(std::filesystem::path path, const std::byte* data, std::size_t size)
    : path_(std::move(path)), data_(data), size_(size) {}

MappedFile::~MappedFile() {
  if (data_ != nullptr) {
    ::munmap(const_cast<std::byte*>(data_), size_);
  }
}

void MappedFile::will_need(std::span<const std::byte> range) noexcept { advise(range, MADV_WILLNEED); }

void MappedFile::dont_need(std::span<const std::byte> range) noexcept { advise(range, MADV_DONTNEED); }

}  // namespace dstorch
