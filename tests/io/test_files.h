#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dstorch/checkpoint.h"
#include "dstorch/error.h"
#include "support/paths.h"
#include "support/temporary_folder.h"

namespace dstorch {

using test::TemporaryFolder;

inline std::filesystem::path io_data(const std::string& name) { return test::source_dir() / "tests/io/data" / name; }

inline std::string slurp(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::span<const std::byte> as_byte_span(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

/// The elements, or the blocks, in row-major order.
inline std::string dense_bytes(const TensorView& view) {
  if (view.blocks != nullptr) {
    return {reinterpret_cast<const char*>(view.data()), view.bytes()};
  }
  const auto size = size_of(view.dtype);
  std::string bytes;
  std::vector<int64_t> at(view.shape.size(), 0);
  for (int64_t i = 0; i < view.numel(); ++i) {
    int64_t offset = view.storage_offset;
    for (std::size_t d = 0; d < at.size(); ++d) {
      offset += at[d] * view.strides[d];
    }
    bytes.append(reinterpret_cast<const char*>(view.storage.data()) + static_cast<std::size_t>(offset) * size, size);
    for (std::size_t d = at.size(); d-- > 0 && ++at[d] == view.shape[d];) {
      at[d] = 0;
    }
  }
  return bytes;
}

/// Runs `action`, which must throw an LMError of `kind` whose text has `part`.
template <typename Action>
void expect_error(ErrorKind kind, std::string_view part, const Action& action) {
  try {
    action();
    ADD_FAILURE() << "no error; expected one with: " << part;
  } catch (const LMError& error) {
    EXPECT_EQ(to_string(error.kind()), to_string(kind)) << error.what();
    EXPECT_NE(std::string_view(error.what()).find(part), std::string_view::npos) << error.what();
  }
}

/// Little-endian bytes of a number, for files built by hand.
template <typename T>
std::string le(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

}  // namespace dstorch
