#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

/// The `webgl` device: compute shaders of OpenGL ES 3.1 on a windowless EGL context, as LibTorch's PrivateUse1.
/// Nothing here touches EGL before somebody asks for the device. All functions are thread-safe.
namespace dstorch::webgl {

/// Loads EGL, opens the context and registers the backend with LibTorch, once.
/// Throws LMError{unsupported} that says what is missing or what the driver lacks.
void require_available();

/// Whether `require_available` would succeed (it is tried), and what it would say: empty when it would.
std::string why_unavailable();

/// Of an available device; these throw as `require_available` does.
struct Description {
  std::string renderer;         ///< GL_RENDERER, e.g. "llvmpipe (LLVM 15.0.6, 256 bits)"
  std::string version;          ///< GL_VERSION
  int64_t max_block_bytes = 0;  ///< What one shader may see of a buffer at a time; larger tensors are cut into windows.
  bool software = false;        ///< Rendered by the CPU (llvmpipe, softpipe, swrast).
};
Description describe();

/// Waits until the device has done what it was told.
void synchronize();

/// The device for the running thread alone while the result lives, which must be let go on this thread; others wait.
/// Calls within do not take it again each, which on a graphics card's driver costs more than most shaders.
std::shared_ptr<void> hold();

/// Bytes of device buffers. Zero in a process that never used the device.
struct Memory {
  int64_t allocated = 0;
  int64_t peak = 0;
};
Memory memory() noexcept;
void reset_peak_memory() noexcept;

/// Copies between the host's memory and the device's since the start or the last reset; a read waits for the device.
struct Transfers {
  int64_t reads = 0;
  int64_t read_bytes = 0;
  int64_t writes = 0;
  int64_t written_bytes = 0;
};
Transfers transfers() noexcept;
void reset_transfers() noexcept;

/// Ops that had no shader and ran on the CPU since the start or the last reset: name -> calls. A name is LibTorch's,
/// e.g. "aten::cumsum.out".
std::map<std::string, int64_t> fallbacks();
void reset_fallbacks();

}  // namespace dstorch::webgl
