#pragma once

#include <cstdint>
#include <string>

#include "device/webgl/gles.h"
#include "device/webgl/webgl.h"

namespace dstorch::webgl {

/// What a shader reads apart from the one buffer it writes: with that, the 4 storage buffers that every OpenGL ES 3.1
/// has.
inline constexpr int kReads = 3;

/// Buffers are read four numbers at a time.
inline constexpr int64_t kVec4Bytes = 16;

/// Half a second of a slow graphics card; systems reset one that is busy for two to ten.
inline constexpr int64_t kMostWork = int64_t{1} << 33;

struct Limits {
  int64_t block_bytes = 0;       ///< Largest range one shader binding sees.
  int64_t offset_alignment = 0;  ///< Bindings begin at multiples of this.
  int64_t groups = 0;            ///< Most work groups in one direction.
  int64_t work = 0;              ///< Most multiplications of a dispatch, about.
  bool software = false;
  /// Shaders read through buffer textures where those show as much as storage buffers do: robust reads of storage
  /// buffers cost llvmpipe six times as much, and graphics cards have caches for textures. Null: from storage buffers.
  PFNGLTEXBUFFERRANGEEXTPROC tex_buffer_range = nullptr;
  std::string header;  ///< What every shader begins with: its version, and the extension for buffer textures.
};

/// Of the current context, which is described too. Throws LMError{unsupported} for one that is no OpenGL ES 3.1.
Limits read_limits(const Egl& egl, const Gl& gl, Description& description);

}  // namespace dstorch::webgl
