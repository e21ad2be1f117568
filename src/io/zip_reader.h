#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "dstorch/error.h"

namespace dstorch {

/// One line of a zip's central directory. Names and data point into the archive.
struct ZipEntry {
  std::string_view name;
  uint16_t flags = 0;
  uint16_t method = 0;  ///< 0: stored.
  uint32_t crc32 = 0;
  uint64_t compressed_size = 0;
  uint64_t size = 0;
  uint64_t header_offset = 0;  ///< Of the local header.
};

/// The central directory of a zip archive (PKWARE APPNOTE 6.3), zip64 included. Only the directory is read; the
/// archive's bytes must outlive this object.
class ZipReader {
 public:
  /// Throws LMError{format}. `where` names the archive in errors and must outlive the reader.
  ZipReader(std::span<const std::byte> archive, std::string_view where);

  [[nodiscard]] const std::vector<ZipEntry>& entries() const noexcept { return entries_; }
  /// Null when there is none of that name.
  [[nodiscard]] const ZipEntry* find(std::string_view name) const;
  /// The bytes of a stored entry, in place. Throws LMError{format} when it lies outside the archive, {unsupported} when
  /// it is compressed or encrypted.
  [[nodiscard]] std::span<const std::byte> stored_bytes(const ZipEntry& entry) const;

 private:
  std::span<const std::byte> archive_;
  std::string_view where_;
  std::size_t directory_offset_ = 0;
  std::vector<ZipEntry> entries_;
  std::unordered_map<std::string_view, std::size_t> index_;
};

}  // namespace dstorch
