#include "core/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
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

/// Closes a descriptor at the end of a scope.
struct Descriptor {
  explicit Descriptor(int descriptor) : fd(descriptor) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd >= 0) {
      ::close(fd);
    }
  }
  int fd;
};

/// Copies `file` into `memory`, a file without a name. (Memory from the allocator would not do: what `dont_need` gives
/// back must come again.)
void copy_into(int memory, const RegularFile& file, const std::filesystem::path& path) {
  off_t done = 0;
  const auto size = static_cast<off_t>(file.size());
  while (done < size) {
    const auto count = ::sendfile(memory, file.descriptor(), &done, static_cast<std::size_t>(size - done));
    require(count >= 0 || errno == EINTR, ErrorKind::io, "cannot copy {} into memory: {} after {} of {} bytes",
            path.string(), system_message(errno), done, size);
    if (count == 0) {
      break;
    }
  }
  require(done == size && !file.changed(), ErrorKind::io,
          "{} changed while it was read; read it again when it is whole", path.string());
}

const std::byte* map(int fd, std::size_t size, const std::filesystem::path& path) {
  if (size == 0) {
    return nullptr;
  }
  void* data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
  require(data != MAP_FAILED, ErrorKind::io, "cannot map {} ({} bytes): {}", path.string(), size,
          system_message(errno));
  return static_cast<const std::byte*>(data);
}

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path, Hold hold) {
  RegularFile file(path);
  const auto size = file.size();
  if (hold == Hold::copy) {
    const Descriptor memory(::memfd_create("dstorch", MFD_CLOEXEC));
    require(memory.fd >= 0, ErrorKind::io, "cannot make memory for {}: {}", path.string(), system_message(errno));
    copy_into(memory.fd, file, path);
    return std::shared_ptr<const MappedFile>(new MappedFile(path, map(memory.fd, size, path), size));
  }
  const std::shared_ptr<MappedFile> mapped(new MappedFile(path, map(file.descriptor(), size, path), size));
  if (hold == Hold::watch) {
    mapped->watched_.emplace(std::move(file));
  }
  return mapped;
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
