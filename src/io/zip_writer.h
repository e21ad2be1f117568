#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "io/zip_reader.h"

namespace dstorch {

/// Writes a zip of stored entries whose data begin at multiples of 64 bytes of the file, as PyTorch's do, so that they
/// can be mapped and used in place. Sizes, offsets and counts beyond 32 (16) bits become zip64 records.
class ZipWriter {
 public:
  /// `file` is empty and outlives the writer. `always_zip64` is for tests: files beyond 4 GB are slow to make.
  explicit ZipWriter(AtomicFile& file, bool always_zip64 = false) : file_(file), always_zip64_(always_zip64) {}

  void add(std::string name, std::span<const std::byte> data);
  /// Writes the directory; to be called once, last. The file is not committed.
  void finish();

 private:
  struct Entry {
    std::string name;
    uint32_t crc32;
    uint64_t size;
    uint64_t header_offset;
    bool zip64;
  };

  AtomicFile& file_;
  bool always_zip64_;
  std::vector<Entry> entries_;
};

}  // namespace dstorch
