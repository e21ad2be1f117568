#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include "core/throw.h"
#include "io/shards.h"

/// Any bytes as a *.index.json: no name that leaves the folder may come out of it.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    const std::string_view json(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const auto index = dstorch::parse_shard_index(json, "fuzz");
    for (const auto& file : index.files) {
      // What an operating system makes of it, this one or another.
      const std::filesystem::path path(file);
      const auto relative = path.lexically_normal();
      if (path.is_absolute() || relative.empty() || relative == "." || *relative.begin() == ".." ||
          file.find('\\') != std::string::npos) {
        __builtin_trap();
      }
    }
    if (index.files.empty() || index.files.size() > index.tensors.size()) {
      __builtin_trap();
    }
  } catch (const dstorch::LMError&) {
    // The one way to refuse.
  }
  return 0;
}
