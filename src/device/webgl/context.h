#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "device/memory_account.h"
#include "device/webgl/display.h"
#include "device/webgl/gles.h"
#include "device/webgl/limits.h"
#include "device/webgl/webgl.h"

namespace dstorch::webgl {

/// A buffer on the device. What a storage's data pointer points at: a handle, never to be read as numbers.
struct Buffer {
  GLuint id = 0;
  int64_t bytes = 0;        ///< Of the GL buffer: what was asked for, rounded up to whole vec4.
  uint64_t generation = 0;  ///< The context it was made in.
  std::unique_ptr<MemoryRecord> record;
};

/// The one EGL context. Threads take turns: whoever holds a `Scope` has it current. Created at first use, never
/// destroyed, unless it was lost and nothing of it is left.
class Context {
 public:
  /// Makes the context when there is none. Throws LMError{unsupported}.
  static Context& get();
  /// The context when there is one, without making it.
  static Context* existing() noexcept;

  /// The right to call GL, from construction to destruction. May be nested. Throws LMError{inference} when the context
  /// was lost.
  class Scope {
   public:
    explicit Scope(Context& context);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    std::unique_lock<std::recursive_mutex> lock_;
    Context& context_;
  };

  [[nodiscard]] const Gl& gl() const noexcept { return gl_; }
  [[nodiscard]] const Limits& limits() const noexcept { return limits_; }
  [[nodiscard]] const Description& description() const noexcept { return description_; }

  /// Throws LMError when GL reports an error since the last call: out_of_memory, inference for a lost context, internal
  /// otherwise.
  void check(const char* what);

  /// Throws LMError{out_of_memory} when the driver refuses.
  std::unique_ptr<Buffer> make_buffer(int64_t bytes);
  void free_buffer(std::unique_ptr<Buffer> buffer) noexcept;

  /// Throws LMError{inference} unless `buffer` lives in the current context.
  void require_alive(const Buffer& buffer) const;

  /// The texture object that shows a buffer to reads in `slot`.
  [[nodiscard]] GLuint texture(int slot) const { return textures_[static_cast<std::size_t>(slot)]; }

  /// Host bytes to and from a buffer; download waits for the device.
  void upload(const Buffer& buffer, int64_t offset, const void* from, int64_t bytes);
  void download(const Buffer& buffer, int64_t offset, void* to, int64_t bytes);
  void copy(const Buffer& from, int64_t from_offset, const Buffer& to, int64_t to_offset, int64_t bytes);
  void finish();

  /// Counts up whenever a new context replaces a lost one; programs are cached per generation.
  [[nodiscard]] uint64_t generation() const noexcept { return generation_; }

  /// Counted by `Launch`.
  int64_t dispatches = 0;

  // For tests: the limits as they are on a smaller device, 0 for its own; the context destroyed as a driver reset does.
  void set_block_bytes(int64_t bytes);
  void set_work(int64_t multiplications);
  /// Shaders as a graphics card gets them, or as the software renderer does.
  void set_software(bool software) { limits_.software = software; }
  void lose();

 private:
  Context();
  void open();
  void enter();
  void leave() noexcept;
  [[noreturn]] void fail_lost(const std::string& why);

  Egl egl_;
  Gl gl_;
  Limits limits_;
  Description description_;
  EGLDisplay display_ = EGL_NO_DISPLAY;
  EglContext context_;
  std::recursive_mutex mutex_;
  int depth_ = 0;
  bool lost_ = false;
  int64_t live_buffers_ = 0;
  uint64_t generation_ = 0;
  std::array<GLuint, kReads> textures_{};

  // Whoever was current on the thread before it entered.
  EGLDisplay previous_display_ = EGL_NO_DISPLAY;
  EGLContext previous_context_ = EGL_NO_CONTEXT;
  EGLSurface previous_draw_ = EGL_NO_SURFACE;
  EGLSurface previous_read_ = EGL_NO_SURFACE;
  EGLenum previous_api_ = EGL_OPENGL_ES_API;
};

}  // namespace dstorch::webgl
