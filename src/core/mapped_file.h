#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

namespace dstorch {

/// A whole file mapped read-only (copy-on-write private pages, so that a write through it never reaches the file).
/// Shared ownership: whoever holds a view of the bytes holds the mapping. Immutable, hence thread-safe.
class MappedFile {
 public:
  /// Throws LMError: not_found, io, or invalid_argument for something that is not a regular file.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);

  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

  /// Tells the system that `range`, part of `bytes()`, will be read soon, or will not be read again.
  static void will_need(std::span<const std::byte> range) noexcept;
  static void dont_need(std::span<const std::byte> range) noexcept;

 private:
  MappedFile(std::filesystem::path path, const std::byte* data, std::size_t size);

  std::filesystem::path path_;
  const std::byte* data_;
  std::size_t size_;
};

}  // namespace dstorch
