#include "device/webgl/gles.h"

#include <dlfcn.h>

#include <cstdlib>

#include "core/throw.h"
#include "device/webgl/vendors.h"

namespace dstorch::webgl {
namespace {}  // namespace

Egl Egl::load() {
  const char* named = std::getenv("DSTORCH_EGL_LIBRARY");
  const char* library = named != nullptr && *named != '\0' ? named : "libEGL.so.1";
  const bool own_symbols = drivers_need_their_own_symbols();
  if (own_symbols) {
    load_vendors_with_their_own_symbols();
  }
  // Never closed: drivers do not survive being unloaded.
  void* handle = ::dlopen(library, RTLD_NOW | RTLD_LOCAL | (own_symbols ? RTLD_DEEPBIND : 0));
  if (handle == nullptr) {
    const char* reason = ::dlerror();
    fail(ErrorKind::unsupported,
         "device webgl needs the EGL library {}, which cannot be loaded ({}); install libegl1, libgles2 and a driver "
         "(libgl1-mesa-dri runs on the CPU), or use --device cpu",
         library, reason != nullptr ? reason : "no reason given");
  }
  Egl egl;
#define X(type, name)                                              \
  egl.name = reinterpret_cast<type>(::dlsym(handle, "egl" #name)); \
  require(egl.name != nullptr, ErrorKind::unsupported, "device webgl needs EGL 1.5, but {} has no egl" #name, library);
  DSTORCH_EGL_FUNCTIONS(X)
#undef X
  return egl;
}

Gl Gl::load(const Egl& egl) {
  Gl gl;
#define X(type, name)                                               \
  gl.name = reinterpret_cast<type>(egl.GetProcAddress("gl" #name)); \
  require(gl.name != nullptr, ErrorKind::unsupported,               \
          "device webgl needs OpenGL ES 3.1, but the driver has no gl" #name);
  DSTORCH_GL_FUNCTIONS(X)
#undef X
  return gl;
}

std::string egl_error_name(EGLint error) {
  switch (error) {
#define X(name) \
  case name:    \
    return #name;
    X(EGL_NOT_INITIALIZED)
    X(EGL_BAD_ACCESS)
    X(EGL_BAD_ALLOC)
    X(EGL_BAD_ATTRIBUTE)
    X(EGL_BAD_CONTEXT)
    X(EGL_BAD_CONFIG)
    X(EGL_BAD_DISPLAY)
    X(EGL_BAD_MATCH)
    X(EGL_BAD_PARAMETER)
    X(EGL_CONTEXT_LOST)
    default:
      return fmt::format("EGL error {:#06x}", error);
  }
}

std::string gl_error_name(GLenum error) {
  switch (error) {
    X(GL_INVALID_ENUM)
    X(GL_INVALID_VALUE)
    X(GL_INVALID_OPERATION)
    X(GL_OUT_OF_MEMORY)
#undef X
    case kContextLost:
      return "GL_CONTEXT_LOST";
    default:
      return fmt::format("GL error {:#06x}", error);
  }
}

}  // namespace dstorch::webgl
