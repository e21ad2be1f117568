#include <cstddef>
#include <cstdint>
#include <span>

#include "io/pytorch_legacy.h"
#include "touch.h"

/// Any bytes as a file from before PyTorch 1.6.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    dstorch::touch(dstorch::read_pytorch_legacy(bytes, "fuzz"));
  } catch (const dstorch::LMError&) {
    // The one way to refuse.
  }
  return 0;
}
