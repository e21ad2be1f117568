#include <cstddef>
#include <cstdint>
#include <span>

#include "io/safetensors.h"
#include "touch.h"

/// Any bytes as a safetensors file: a table whose every byte can be read, or an LMError.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    dstorch::touch(dstorch::read_safetensors(bytes, "fuzz"));
  } catch (const dstorch::LMError&) {
    // The one way to refuse.
  }
  return 0;
}
