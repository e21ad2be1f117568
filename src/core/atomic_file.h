#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace dstorch {

/// Writes a file that appears under its final name only when it is whole: bytes go to a temporary name beside it,
/// `commit()` flushes them to disk and renames. Without `commit()` (an exception, say) the temporary file is removed;
/// one that a killed process left is removed by the next AtomicFile of the same name.
///
/// Only a regular file is replaced; of a symbolic link, its target. A new file gets the permissions that the umask
/// leaves, one that replaces another gets that one's. Not thread-safe.
class AtomicFile {
 public:
  /// Throws LMError: io when the folder cannot be written, invalid_argument when what has the name is no regular file.
  explicit AtomicFile(std::filesystem::path path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  /// Throws LMError{io}, e.g. on a full disk.
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  void commit();

  [[nodiscard]] std::size_t bytes_written() const noexcept { return written_; }

 private:
  void create_temporary();
  void take_permissions() const;
  [[noreturn]] void fail_write(int error) const;

  std::filesystem::path path_;
  std::filesystem::path target_;  // what `path_` names, links followed
  std::filesystem::path temporary_;
  int fd_ = -1;
  std::size_t written_ = 0;
};

/// Throws, as AtomicFile would, when `path` names something that must not be replaced; else removes what killed
/// processes left of their attempts to write it. For those who write only after long work.
void prepare_to_replace(const std::filesystem::path& path);

/// Writes `text` to `path` through an AtomicFile.
void write_file(const std::filesystem::path& path, std::string_view text);

/// Reads a whole file; throws LMError (not_found, io, invalid_argument for what is no regular file, or format when it
/// is larger than `max_bytes`). Unlike a mapping, what was read stays, whatever happens to the file.
std::string read_file(const std::filesystem::path& path, std::size_t max_bytes = std::size_t{1} << 30);

}  // namespace dstorch
