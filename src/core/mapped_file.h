#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>

#include "core/regular_file.h"

namespace dstorch {

/// A whole file mapped read-only (copy-on-write private pages, so that a write through it never reaches the file).
/// Shared ownership: whoever holds a view of the bytes holds the mapping. Immutable, hence thread-safe.
///
/// What others do to a mapped file happens to the bytes: those that are written in place change, and reading those that
/// were cut off ends the process with SIGBUS. A file that is replaced (renamed over) or deleted stays as it was.
class MappedFile {
 public:
  enum class Hold {
    map,    ///< Mapped, its file closed.
    watch,  ///< Mapped, its file kept open so that `changed()` can tell.
    copy,   ///< Read into memory that nobody can change or cut; no more depends on the file.
  };

  /// Throws LMError: not_found, io (a file that changed while it was copied), or invalid_argument for something that is
  /// not a regular file.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path, Hold hold = Hold::map);

  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

  /// With Hold::watch: whether the file was written to or cut since it was opened, as far as its size and the time of
  /// its last write tell. Two system calls' worth of time. Otherwise false.
  [[nodiscard]] bool changed() const noexcept { return watched_ && watched_->changed(); }

  /// Tells the system that `range`, part of `bytes()`, will be read soon, or will not be read again.
  static void will_need(std::span<const std::byte> range) noexcept;
  static void dont_need(std::span<const std::byte> range) noexcept;

 private:
  MappedFile(std::filesystem::path path, const std::byte* data, std::size_t size);

  std::filesystem::path path_;
  const std::byte* data_;
  std::size_t size_;
  std::optional<RegularFile> watched_;
};

}  // namespace dstorch
