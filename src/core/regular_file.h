#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <filesystem>
#include <string_view>

namespace dstorch {

/// A regular file opened for reading, and what the system said of it then. Closed with its object.
class RegularFile {
 public:
  /// Never waits: a FIFO that nobody writes to is refused like all that is no regular file.
  /// Throws LMError: not_found, io, or invalid_argument that says what is there instead.
  explicit RegularFile(const std::filesystem::path& path);
  RegularFile(const RegularFile&) = delete;
  RegularFile& operator=(const RegularFile&) = delete;
  RegularFile(RegularFile&& other) noexcept;
  RegularFile& operator=(RegularFile&&) = delete;
  ~RegularFile();

  [[nodiscard]] int descriptor() const noexcept { return fd_; }
  /// Bytes it had when it was opened.
  [[nodiscard]] std::size_t size() const noexcept { return static_cast<std::size_t>(info_.st_size); }
  /// Whether its size or the time of its last write is another now. A file that was replaced under its name by another
  /// one, or deleted, is what it was.
  [[nodiscard]] bool changed() const noexcept;

 private:
  int fd_ = -1;
  struct stat info_ {};
};

/// What `mode` (st_mode) says: "a regular file", "a directory", "a FIFO", ...
std::string_view kind_of_file(mode_t mode) noexcept;

}  // namespace dstorch
