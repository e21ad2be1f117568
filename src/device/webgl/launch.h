#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "device/webgl/context.h"

namespace dstorch::webgl {

struct Program;

/// What a shader reads at a time.
enum class Texel { f32, i32, u32, f32x4 };

/// GLSL: `T fetch_NAME(int i)` reads from the buffer in `slot`, through a texture where the limits say so.
std::string read_buffer(const std::string& name, int slot, Texel texel);

/// One dispatch of a compute shader. Holds the context from construction to destruction.
///
/// Programs are compiled once per key. `source` is asked for the shader's text after the header that every shader
/// shares (the #version line, precisions) and must say its own local size.
class Launch {
 public:
  /// Throws LMError{internal} with the driver's log when the driver refuses the shader.
  Launch(const std::string& key, const std::function<std::string()>& source);

  /// Shows the shader `bytes` of `buffer` from `offset`, a multiple of the limits' offset_alignment. `read` is for what
  /// `read_buffer` declares in slots 0 to kReads - 1, `write` for the one storage buffer that is written, of binding 0.
  Launch& read(int slot, const Buffer& buffer, int64_t offset, int64_t bytes, Texel texel);
  Launch& write(const Buffer& buffer, int64_t offset, int64_t bytes);

  /// Uniforms by name; a name the compiler dropped is ignored.
  Launch& set(const char* name, int64_t value);
  Launch& set(const char* name, double value);
  Launch& set(const char* name, std::span<const int> values);

  void run(int64_t groups_x, int64_t groups_y = 1, int64_t groups_z = 1);
  /// Work groups for `invocations` in rows of `local_size`, folded into two dimensions where one cannot hold them; the
  /// shader numbers them by `flat_index`.
  void run_flat(int64_t invocations, int64_t local_size);

 private:
  Launch& bind_storage(int binding, const Buffer& buffer, int64_t offset, int64_t bytes);

  Context& context_;
  Context::Scope scope_;
  Program* program_;
};

/// GLSL: the local size, and `int flat_index()`: the number of this invocation in a dispatch of `run_flat`.
std::string flat_index(int64_t local_size);

/// Compiles `source` (with the shared header) and throws what a Launch would; for tests.
void compile_only(const std::string& source);

}  // namespace dstorch::webgl
