#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/crc32.h"
#include "io/test_files.h"
#include "io/zip_format.h"

namespace dstorch {

/// Pieces of pickles written by hand, for files that Python would not write.
namespace pickled {

inline std::string text(std::string_view value) {
  return std::string("X") + le(static_cast<uint32_t>(value.size())) + std::string(value);
}
inline std::string integer(int64_t value) { return std::string("\x8A\x08") + le(value); }
inline std::string global(std::string_view module, std::string_view name) {
  return std::string("c").append(module) + "\n" + std::string(name) + "\n";
}
inline std::string tuple(const std::vector<int64_t>& values) {
  std::string result = "(";
  for (const auto value : values) {
    result += integer(value);
  }
  return result + "t";
}
inline std::string storage(std::string_view type, int64_t numel, std::string_view key = "0") {
  return std::string("(") + text("storage") + global("torch", type) + text(key) + text("cpu") + integer(numel) + "tQ";
}
inline std::string tensor(const std::string& storage, int64_t offset, const std::vector<int64_t>& shape,
                          const std::vector<int64_t>& strides) {
  return global("torch._utils", "_rebuild_tensor_v2") + "(" + storage + integer(offset) + tuple(shape) +
         tuple(strides) + "\x89}tR";
}
/// A dict of one tensor "w".
inline std::string dict_of(const std::string& value) { return std::string("\x80\x02}") + text("w") + value + "s."; }

}  // namespace pickled

struct ZipPiece {
  std::string name;
  std::string data;
  uint16_t method = 0;
};

/// A plain zip of `pieces`.
inline std::string make_zip(const std::vector<ZipPiece>& pieces) {
  std::string body;
  std::string directory;
  for (const auto& piece : pieces) {
    const auto common = le<uint16_t>(0) + le(piece.method) + le<uint32_t>(0) + le(crc32(as_byte_span(piece.data))) +
                        le(static_cast<uint32_t>(piece.data.size())) + le(static_cast<uint32_t>(piece.data.size())) +
                        le(static_cast<uint16_t>(piece.name.size())) + le<uint16_t>(0);
    directory += le(kZipDirectorySignature) + le<uint16_t>(20) + le<uint16_t>(20) + common + std::string(10, '\0') +
                 le(static_cast<uint32_t>(body.size())) + piece.name;
    body += le(kZipLocalSignature) + le<uint16_t>(20) + common + piece.name + piece.data;
  }
  const auto count = static_cast<uint16_t>(pieces.size());
  return body + directory + le(kZipEndSignature) + le<uint32_t>(0) + le(count) + le(count) +
         le(static_cast<uint32_t>(directory.size())) + le(static_cast<uint32_t>(body.size())) + le<uint16_t>(0);
}

/// What torch.save would make of a pickle and one storage of `storage_bytes` zeros.
inline std::string make_pytorch_zip(const std::string& pickle, std::size_t storage_bytes = 16) {
  return make_zip({{"archive/data.pkl", pickle}, {"archive/data/0", std::string(storage_bytes, '\0')}});
}

}  // namespace dstorch
