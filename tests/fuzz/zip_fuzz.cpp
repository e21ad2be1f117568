#include <cstddef>
#include <cstdint>
#include <span>

#include "io/pytorch_zip.h"
#include "io/zip_reader.h"
#include "touch.h"

/// Any bytes as a zip: its entries, then the state dict in it.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    const dstorch::ZipReader zip(bytes, "fuzz");
    for (const auto& entry : zip.entries()) {
      try {
        dstorch::touch(zip.stored_bytes(entry));
      } catch (const dstorch::LMError&) {
        // One bad entry says nothing about the next.
      }
    }
    dstorch::touch(dstorch::read_pytorch_zip(bytes, "fuzz"));
  } catch (const dstorch::LMError&) {
    // The one way to refuse.
  }
  return 0;
}
