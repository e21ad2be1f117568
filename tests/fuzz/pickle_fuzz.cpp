#include <cstddef>
#include <cstdint>
#include <span>

#include "io/state_dict.h"
#include "touch.h"

/// Any bytes as the pickle of a state dict; its storages are the bytes themselves.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    dstorch::ByteCursor cursor(bytes, "fuzz");
    dstorch::PickleArena arena("fuzz");
    dstorch::TorchHost host;
    const auto* root = dstorch::read_pickle(cursor, arena, host);
    const dstorch::StorageBytes storages = [&](const dstorch::PickledStorage& storage) {
      const auto needed = static_cast<std::size_t>(storage.numel) * dstorch::size_of(storage.dtype);
      dstorch::require(needed <= bytes.size(), dstorch::ErrorKind::format, "the storage is too large");
      return bytes;
    };
    dstorch::TensorTable table;
    table.tensors = dstorch::collect_state_dict(*root, host, storages, "fuzz");
    dstorch::touch(table);
  } catch (const dstorch::LMError&) {
    // The one way to refuse.
  }
  return 0;
}
